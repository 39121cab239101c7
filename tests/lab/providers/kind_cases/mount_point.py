"""How to try the kind MountPoint."""

from tests.lab.providers.kind_cases import Case, Inputs


def path(variant: str) -> str:
    return f"/srv/kinds/mount-{variant}"


def holds(variant: str, inputs: Inputs) -> str:
    wished = f"directory {inputs['mode'].lstrip('0')} www-data adm"
    return f"[ \"$(stat -c '%F %a %U %G' {inputs['path']})\" = '{wished}' ]"


CASES = [
    Case(
        kind="MountPoint",
        wish=lambda variant: {"path": path(variant), "mode": "0750", "owner": "www-data", "group": "adm"},
        changed=lambda variant: {"mode": "0700"},
        holds=holds,
        look=lambda variant: f"find {path(variant)} -printf '%p %y %m %u %g\\n'",
        right=lambda variant, inputs: f"install -d -m {inputs['mode']} -o www-data -g adm {inputs['path']}",
        other=lambda variant: f"mkdir -m 0700 {path(variant)}; echo dear >{path(variant)}/letter",
        drift=lambda variant: f"chgrp root {path(variant)}",
        drifted="group",
        remove=lambda variant: f"rmdir {path(variant)}",
        unknown="mode",
        identity=lambda variant: path(variant)[1:],
        least=lambda variant: {"path": path(variant)},
        odd=lambda variant: f"install -d -m 2771 -o backstage440 -g adm {path(variant)}",
        kept=lambda variant: f"stat -c '%F %a %U %G' {path(variant)}",
        refused=lambda variant: {"path": path(variant)},
        in_the_way=lambda variant: f"ln -s /tmp {path(variant)}",
        prepare="mkdir -p /srv/kinds",
    )
]
