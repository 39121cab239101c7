"""How to try the kind Directory."""

from tests.lab.providers.kind_cases import Case, Inputs


def path(variant: str) -> str:
    return f"/srv/kinds/directory-{variant}"


def wish(variant: str) -> Inputs:
    return {"path": path(variant), "mode": "0750", "owner": "www-data", "group": "adm", "purge": True}


def holds(variant: str, inputs: Inputs) -> str:
    wished = f"directory {inputs['mode'].lstrip('0')} www-data adm"
    return f"[ \"$(stat -c '%F %a %U %G' {inputs['path']})\" = '{wished}' ]"


def right(variant: str, inputs: Inputs) -> str:
    there = inputs["path"]
    return f"mkdir {there}; chown www-data:adm {there}; chmod {inputs['mode']} {there}; echo dear >{there}/letter"


CASES = [
    Case(
        kind="Directory",
        wish=wish,
        changed=lambda variant: {"mode": "2770"},
        holds=holds,
        look=lambda variant: f"find {path(variant)} -printf '%p %y %m %u %g\\n'",
        right=right,
        other=lambda variant: f"mkdir -m 0700 {path(variant)}; echo dear >{path(variant)}/letter",
        drift=lambda variant: f"chown root {path(variant)}",
        drifted="owner",
        remove=lambda variant: f"rmdir {path(variant)}",
        unknown="mode",
        identity=lambda variant: path(variant)[1:],
        importable=lambda variant: {**wish(variant), "purge": False},
        refused=wish,
        in_the_way=lambda variant: f"echo dear >{path(variant)}",
        prepare="mkdir -p /srv/kinds",
    )
]
