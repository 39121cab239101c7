"""How to try the kind CommandOutput, which manages nothing: no drift, nothing to put back."""

from tests.lab.providers.kind_cases import Case

CASES = [
    Case(
        kind="CommandOutput",
        wish=lambda variant: {"name": f"fact of {variant}", "command": ["cat", "/etc/hostname"]},
        changed=lambda variant: {"command": ["cat", "/etc/debian_version"]},
        changing=("new",),
        moves=False,
        holds=lambda variant, inputs: "true",
        look=lambda variant: "echo nothing",
        drift=lambda variant: "true",
        drifting=(),
        drifted="",
        remove=None,
        unknown="name",
    )
]
