"""How to try the kind Script."""

from tests.lab.providers.kind_cases import CANARY, Case, Inputs


def flag(variant: str) -> str:
    return f"/srv/kinds/flag-{variant}"


def wish(variant: str) -> Inputs:
    return {
        "name": f"flag of {variant}",
        "apply": f"echo raised >{flag(variant)}",
        "check": f"grep -q raised {flag(variant)}",
        "undo": f"rm -f {flag(variant)}",
    }


CASES = [
    Case(
        kind="Script",
        wish=wish,
        # A check that does not hold yet is what makes an update run.
        changed=lambda variant: {
            "apply": f"echo raised higher >{flag(variant)}",
            "check": f"grep -q higher {flag(variant)}",
        },
        # Not on `right`: what an update does there can't be taken back, because `check` held before.
        changing=("secret",),
        holds=lambda variant, inputs: inputs["check"],
        look=lambda variant: f"cat {flag(variant)}",
        right=lambda variant, inputs: inputs["apply"],
        drift=lambda variant: f"echo lowered >{flag(variant)}",
        drifted="check",
        remove=lambda variant: f"rm -f {flag(variant)}",
        unknown="apply",
        secret=lambda variant: {"apply": f"key={CANARY}\necho raised $key >{flag(variant)}\nsleep 0.3"},
        secret_input="apply",
        slow=lambda variant: {**wish(variant), "apply": "echo begun >&2; sleep 100"},
        prepare="mkdir -p /srv/kinds",
    )
]
