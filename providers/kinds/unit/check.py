"""Whether a unit's text is valid, asked of the machine's own tools before anything is written.

Sources: systemd-analyze(1), verb verify; podman-systemd.unit(5), "Debugging unit files".
"""

from __future__ import annotations

import re
import shlex

from providers.errors import InvalidInput, Untouched
from providers.kinds.unit import systemd
from providers.kinds.unit.facts import UnitFacts
from providers.kinds.unit.settings import UnitInputs
from providers.machine.record import path_of
from providers.machine.session import Session
from toolchain.lines import lines_in

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
    """Return the lines of the tool that are about this very unit.

    What it needs to run counts only where it shall run.
    """
    about = [
        line
        for line in lines_in(said)
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
        raise Untouched(
            f"{session.machine} has no Quadlet to make a service of {inputs.name}; nothing was changed",
            remedy="it comes with podman 4.6 and later: declare Package 'podman', and let this Unit depend on it",
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


_named: set[tuple[str, str]] = set()


def refuse_what_is_not_ours(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    """Raise InvalidInput where the unit is another's alias, which would go with what is wished."""
    if inputs.text is None and inputs.enabled is False and facts.enabled and facts.id not in ("", facts.service):
        raise InvalidInput(
            f"{inputs.name} on {session.machine} is an alias of {facts.id}, and goes when that is disabled."
            " Nothing was changed",
            remedy=f"name the unit {facts.id}",
        )


def refuse_what_can_not_be_enabled(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    """Raise InvalidInput where a unit has nothing that `enable` could do, and stays as it is whatever is wished."""
    why = ""
    if facts.file_state == "static":
        why = "has no [Install] section: something else starts it, and it can't be enabled by itself"
    elif facts.file_state in ("generated", "transient") and not facts.source.startswith("/etc/init.d/"):
        why = f"is made from {facts.source or 'a call to systemd'}: what starts it is said there"
    elif facts.file_state == "bad":
        why = "can't be read by systemd: see `systemctl status`"
    if why and not systemd.is_quadlet(inputs.name):
        raise InvalidInput(
            f"{facts.service} on {session.machine} {why}. Nothing was changed",
            remedy="leave `enabled` out, and set `running` where it is to run; or give the unit a text of its own",
        )


async def warn_of_drop_ins(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    """Name the drop-ins that somebody else has put beside a unit whose text is Hearth's. Vendors' are not meant."""
    paths = [path for path in facts.drop_ins if not path.startswith(("/usr/", "/lib/"))]
    if systemd.is_quadlet(inputs.name) and facts.path:
        beside = await session.stat(f"{facts.path}.d", entries=True)
        paths += [f"{facts.path}.d/{name}" for name in (beside.entries or () if beside is not None else ())]
    if inputs.text is None or not paths:
        return
    ours = [await session.stat(path_of("hearth:host:File", path.removeprefix("/"))) is not None for path in paths]
    others = " ".join(path for path, own in zip(paths, ours, strict=True) if not own)
    if others and (session.machine, others) not in _named:
        _named.add((session.machine, others))
        session.warn(f"{facts.service} on {session.machine} also heeds what others have put beside it: {others}")
