"""How to try the kind Tree."""

import hashlib

from tests.lab.providers.kind_cases import Case, Inputs

FILES = {
    "site/index.html": b"<h1>wished</h1>\n",
    "site/sub/deep/run": b"#!/bin/sh\nexit 0\n",
    "site/sub/data": b"\xff\x00\xfe",
    "site/left-out.tmp": b"x",
    "other/index.html": b"changed\n",
    "other/new": b"new\n",
}


def path(variant: str) -> str:
    return f"/srv/kinds/tree-{variant}"


def wish(variant: str) -> Inputs:
    return {
        "path": path(variant),
        "source": "site",
        "mode": "0640",
        "folder_mode": "0750",
        "group": "adm",
        "rules": [{"pattern": "sub/**", "owner": "www-data"}, {"pattern": "run", "mode": "0755"}],
        "exclude": ["*.tmp"],
        "exact": True,
    }


def lines(inputs: Inputs) -> list[str]:
    """Return what the machine has to say of the files that are wished."""
    result: list[str] = []
    for name, content in FILES.items():
        folder, _, file = name.partition("/")
        if folder == inputs["source"] and not file.endswith(".tmp"):
            mode = "755" if file.endswith("run") else inputs["mode"][1:]
            owner = "www-data" if file.startswith("sub/") else "root"
            result.append(f"{file} {mode} {owner} adm {hashlib.sha256(content).hexdigest()}")
    return sorted(result)


def holds(variant: str, inputs: Inputs) -> str:
    listed = "\n".join(lines(inputs))
    return (
        f"cd {inputs['path']}; [ \"$(stat -c '%a %U %G' .)\" = '750 root adm' ]\n"
        "found=$(find . -type f -printf '%P\\n' | LC_ALL=C sort | while read -r name; do\n"
        '  echo "$name $(stat -c \'%a %U %G\' "$name") $(sha256sum <"$name" | cut -d\' \' -f1)"; done)\n'
        f'[ "$found" = "{listed}" ]'
    )


def right(variant: str, inputs: Inputs) -> str:
    there = inputs["path"]
    made = [f"mkdir -p {there}/sub/deep", f"chmod 0750 {there} {there}/sub {there}/sub/deep", f"chgrp -R adm {there}"]
    for name, content in FILES.items():
        folder, _, file = name.partition("/")
        if folder == "site" and not file.endswith(".tmp"):
            octal = "".join(f"\\{byte:03o}" for byte in content)
            mode = "0755" if file.endswith("run") else "0640"
            made += [f"printf '{octal}' >{there}/{file}", f"chgrp adm {there}/{file}", f"chmod {mode} {there}/{file}"]
    # `sub/**` is what is in it, folders too.
    made.append(f"chown -R www-data {there}/sub/*")
    return "\n".join(made)


def look(variant: str) -> str:
    there = path(variant)
    return (
        f"find {there} -printf '%P %y %m %u %g %l\\n' | LC_ALL=C sort;"
        f" find {there} -type f -exec sha256sum {{}} + | sort;"
        f" find {there} ! -type d -printf '%P %T@\\n' | LC_ALL=C sort"
    )


CASES = [
    Case(
        kind="Tree",
        wish=wish,
        changed=lambda variant: {"source": "other", "mode": "0600"},
        holds=holds,
        look=look,
        right=right,
        other=lambda variant: (
            f"mkdir -p {path(variant)}/sub/uploads; cd {path(variant)}; chmod 0701 . sub; printf '\\377old' >sub/data;"
            " chmod 0606 sub/data; ln -s /nowhere index.html; echo dear >sub/uploads/letter"
        ),
        drift=lambda variant: f"echo more >>{path(variant)}/sub/data; chmod 0777 {path(variant)}/sub",
        drifted="files",
        remove=lambda variant: f"rm -r {path(variant)}",
        unknown="source",
        project=FILES,
        prepare="mkdir -p /srv/kinds",
    )
]
