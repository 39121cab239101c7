"""How to try the kind Block: every variant in the one file, so that they meet there."""

import shlex

from tests.lab.providers.kind_cases import CANARY, Case, Inputs

PATH = "/srv/kinds/shared.conf"


def wish(variant: str) -> Inputs:
    return {"path": PATH, "name": variant, "content": f"one {variant}\ntwo {variant}\n", "comment": "#"}


def text(inputs: Inputs) -> str:
    return f"# BEGIN hearth {inputs['name']}\n{inputs['content']}# END hearth {inputs['name']}\n"


def holds(variant: str, inputs: Inputs) -> str:
    name = inputs["name"]
    block = f"$(sed -n '/^# BEGIN hearth {name}$/,/^# END hearth {name}$/p' {PATH})"
    return (
        f"[ \"$(grep -c 'BEGIN hearth {name}$' {PATH})\" = 1 ]\n"
        f'[ "{block}" = {shlex.quote(text(inputs).rstrip())} ]\n'
        f"[ \"$(stat -c '%a %U' {PATH})\" = '664 www-data' ]"
    )


CASES = [
    Case(
        kind="Block",
        wish=wish,
        changed=lambda variant: {"content": "changed\n"},
        holds=holds,
        look=lambda variant: f"stat -c '%n %F %a %U %G' {PATH}; cat -A {PATH}",
        right=lambda variant, inputs: (
            f"printf %s {shlex.quote(text(inputs))} | cat - {PATH} >/tmp/all; cat /tmp/all >{PATH}"
        ),
        other=lambda variant: (
            f"printf '; BEGIN hearth {variant}\\nmine\\n; END hearth {variant}\\n' | cat - {PATH}"
            f" >/tmp/all; cat /tmp/all >{PATH}"
        ),
        drift=lambda variant: f"sed -i 's/^two {variant}$/three/' {PATH}",
        drifted="content",
        remove=lambda variant: f"sed -i '/BEGIN hearth {variant}$/,/END hearth {variant}$/d' {PATH}",
        unknown="content",
        identity=lambda variant: f"{PATH[1:]}#{variant}",
        secret=lambda variant: {"content": f"password {CANARY}\n"},
        secret_input="content",
        shared=True,
        unreadable=lambda variant: f"sed -i '/END hearth {variant}$/d' {PATH}",
        refused=lambda variant: {**wish(variant), "before": "a line that is not there"},
        prepare=f"mkdir -p /srv/kinds; printf '# theirs\\n\\nlast line\\n' >{PATH}; chmod 0664 {PATH};"
        f" chown www-data {PATH}",
    )
]
