"""How to try the kind File."""

import shlex

from tests.lab.providers.kind_cases import CANARY, Case, Inputs


def path(variant: str) -> str:
    return f"/srv/kinds/file-{variant}.conf"


def wish(variant: str) -> Inputs:
    return {"path": path(variant), "content": f"wished {variant}\n", "mode": "0640", "group": "adm"}


def holds(variant: str, inputs: Inputs) -> str:
    there = inputs["path"]
    return (
        f"[ \"$(stat -c '%a %U %G' {there})\" = '{inputs['mode'][1:]} root {inputs['group']}' ]\n"
        f"printf %s {shlex.quote(inputs['content'])} | cmp -s - {there}"
    )


def right(variant: str, inputs: Inputs) -> str:
    there = inputs["path"]
    return f"printf %s {shlex.quote(inputs['content'])} >{there}; chmod {inputs['mode']} {there}; chgrp adm {there}"


# An access control list (u::rw-,u:nobody:r--,g::r--,m::rw-,o::rw-) and an attribute of a user's: setfacl is not there.
LIST = "0200000001000600ffffffff02000400feff000004000400ffffffff1000" + "0600ffffffff20000600ffffffff"
OLD = """
import os, sys
os.setxattr(sys.argv[1], "system.posix_acl_access", bytes.fromhex(sys.argv[2]))
os.setxattr(sys.argv[1], "user.origin", b"\\xff\\x00")
"""
ATTRIBUTES = (
    "import os, sys; print(sorted((name, os.getxattr(sys.argv[1], name)) for name in os.listxattr(sys.argv[1])))"
)


def look(variant: str) -> str:
    there = path(variant)
    return f"stat -c '%n %F %a %U %G %y' {there} && sha256sum {there} && python3 -c {shlex.quote(ATTRIBUTES)} {there}"


CASES = [
    Case(
        kind="File",
        wish=wish,
        changed=lambda variant: {"content": "changed\n", "mode": "0600"},
        holds=holds,
        look=look,
        right=right,
        other=lambda variant: (
            f"printf '\\377\\000old' >{path(variant)}; chmod 0606 {path(variant)};"
            f" python3 -c {shlex.quote(OLD)} {path(variant)} {LIST}; touch -d '2020-01-02 03:04:05.678' {path(variant)}"
        ),
        drift=lambda variant: f"chmod 0666 {path(variant)}",
        drifted="mode",
        least=lambda variant: {"path": path(variant), "content": f"wished {variant}\n"},
        odd=lambda variant: (
            f"echo theirs >{path(variant)}; chmod 0600 {path(variant)}; chown nobody:adm {path(variant)};"
            f" touch -d '2019-03-01 12:30:00.25' {path(variant)}"
        ),
        kept=lambda variant: f"stat -c '%a %U %G' {path(variant)}",
        remove=lambda variant: f"rm {path(variant)}",
        unknown="content",
        identity=lambda variant: path(variant)[1:],
        secret=lambda variant: {"content": f"{CANARY}\nsecond line\n"},
        secret_input="content",
        # More than is kept of a file.
        unreadable=lambda variant: f"head -c 5000000 /dev/zero >{path(variant)}",
        refused=wish,
        in_the_way=lambda variant: f"mkdir {path(variant)}; echo dear >{path(variant)}/letter",
        prepare="mkdir -p /srv/kinds",
    )
]
