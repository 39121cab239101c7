"""Whether a unit's text is valid, asked of the machine's own tools before anything is written.

Sources: systemd-analyze(1), verb verify; podman-systemd.unit(5), "Debugging unit files".
"""

from __future__ import annotations

import re
import shlex

from providers.errors import HearthError, InvalidInput
from providers.kinds.unit import systemd
from providers.kinds.unit.facts import UnitInputs
from providers.machine.session import Session

_FOLDER = """
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' HUP INT TERM
"""
# Option by option: older systemds (before 250) know none of them.
_VERIFY = """
cat > "$folder/$name"
command -v systemd-analyze > /dev/null || exit 0
systemd-analyze verify $scope --man=no --recursive-errors=no "$folder/$name" > "$folder/said" 2>&1 && exit 0
if grep -q 'unrecognized option' "$folder/said"; then
    systemd-analyze verify $scope "$folder/$name" > "$folder/said" 2>&1 && exit 0
fi
sed "s|$folder/||g" "$folder/said"
exit 1
"""
# The other Quadlet files are copied along: this one may name them.
_QUADLET = """
for quadlet in /usr/libexec/podman/quadlet /usr/lib/podman/quadlet; do [ -x "$quadlet" ] && break; done
[ -x "$quadlet" ] || exit 77
for file in "$others"/*; do
    case $file in */users|*.d) ;; *) [ ! -e "$file" ] || cp -rL "$file" "$folder/" ;; esac
done
cat > "$folder/$name"
QUADLET_UNIT_DIRS=$folder "$quadlet" -dryrun $scope > /dev/null 2> "$folder/.said" && exit 0
sed "s|$folder/||g; s|^quadlet-generator[^:]*: ||" "$folder/.said"
exit 1
"""


def complaints(said: str, name: str, *, runs: bool) -> list[str]:
    """The lines of the tool that are about this very unit. What it needs to run counts only where it shall run."""
    about = [
        line
        for line in said.splitlines()
        if re.search(rf"(^|[\s\"'/]){re.escape(name)}([\s\"':,]|$)", line) and not line.startswith("Loading source")
    ]
    if not runs:
        about = [line for line in about if not re.search(r"is not executable|cannot be started", line)]
    # "Unit x has a bad unit file setting" only sums up.
    return [line for line in about if not re.fullmatch(r"Unit \S+ has a bad unit file setting\.", line)] or about


async def check_text(session: Session, inputs: UnitInputs, folder: str) -> None:
    """Raise InvalidInput, quoting the tool, where the text of `inputs` is no valid unit."""
    quadlet = systemd.is_quadlet(inputs.name)
    scope = ("-user" if quadlet else "--user") if inputs.user else ""
    values = {"name": inputs.name, "scope": scope, "others": folder}
    settings = "\n".join(f"{key}={shlex.quote(value)}" for key, value in values.items())
    script = f"{settings}\n{_FOLDER}{_QUADLET if quadlet else _VERIFY}"
    done = await session.run("sh", stdin=inputs.text or "", script=script, user=inputs.user, check=False)
    if done.status == 77:
        raise HearthError(
            f"{session.machine} has no Quadlet to make a service of {inputs.name}; nothing was changed",
            remedy="it comes with podman 4.4 and later: declare Package 'podman', and let this Unit depend on it",
        )
    if done.ok:
        return
    lines = complaints(done.stdout + done.stderr, inputs.name, runs=inputs.running is True)
    if lines:
        tool = "Quadlet" if quadlet else "systemd-analyze verify"
        raise InvalidInput(
            f"the text of {inputs.name} for {session.machine} is not valid, so nothing was changed; {tool} says:",
            detail="\n".join(lines),
            remedy="correct the lines that are named, then run up again",
        )
