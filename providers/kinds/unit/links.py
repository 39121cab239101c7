"""The links that say of a unit that it is enabled, masked, linked or an alias: all of them, as they are on the disk.

What `enable` did is undone by putting back the links that were there, not by `disable`: that takes away the link of a
linked unit as well, knows no alias, and leaves what `Also=` brought. Sources: systemctl(1) (enable, link, mask),
systemd.unit(5) (the folders, [Install]); update-rc.d(8) for scripts of System V.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping

from providers.machine.session import Session
from toolchain.lines import lines_in

SYSTEM = ("/etc/systemd/system", "/run/systemd/system")
_SOURCES = ("/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")
# `Also=` may stand in the text that is there as well as in the one that is to come.
_FIND = """
for folder in $sources; do
    [ -f "$folder/$name" ] && also="$also $(sed -n 's/^[[:space:]]*Also[[:space:]]*=//p' "$folder/$name")"
done
set -f
set -- "$name" $also
for each in "$@"; do
    pattern=$(printf %s "$each" | sed 's/\\\\/\\\\\\\\/g')
    set -- "$@" -o -name "$pattern" -o -lname "$pattern" -o -lname "*/$pattern"
    shift
done
shift
set +f
IFS='
'
{
    find $folders -type l \\( "$@" \\) -printf 'l\\t%p\\t%l\\n' \\
        -o -type d \\( -name '*.wants' -o -name '*.requires' -o -name '*.upholds' \\) -printf 'd\\t%p\\n' 2> /dev/null
    [ -z "$script" ] || find /etc/rc?.d -name "[KS][0-9][0-9]$script" -printf 'l\\t%p\\t%l\\n' 2> /dev/null
} | base64
"""
# A folder of links goes with its last one, as systemctl does it, where it was not there before.
_CHANGE = """
change() {
    while IFS='	' read -r verb path target; do
        case $verb in
        r) rm -f -- "$path" ;;
        l) mkdir -p -- "${path%/*}"; ln -sfn -- "$target" "$path" ;;
        d) rmdir -- "$path" 2> /dev/null || true ;;
        esac
    done
}
change
"""


def folders_of(home: str | None, uid: int | None) -> tuple[str, ...]:
    """Return where a manager looks for links that somebody made: the system's, or an account's own."""
    if home is None:
        return SYSTEM
    return (f"{home}/.config/systemd/user", f"/run/user/{uid}/systemd/user")


def also_of(text: str | None) -> str:
    """Return the names behind `Also=` in a text."""
    lines = (line.partition("=") for line in lines_in(text or ""))
    return " ".join(value.strip() for key, _, value in lines if key.strip() == "Also")


async def find_links(
    session: Session, name: str, text: str | None, user: str | None, folders: tuple[str, ...]
) -> tuple[dict[str, str], list[str]]:
    """Return path -> target of each link about the unit or what comes along with it, and the folders of links there."""
    kind = "user" if user else "system"
    settings = {
        "name": name,
        "also": also_of(text),
        "folders": "\n".join(folders),
        "sources": " ".join([*folders, *(f"{source}/{kind}" for source in _SOURCES)]),
        "script": name.removesuffix(".service") if user is None and name.endswith(".service") else "",
    }
    lines = "\n".join(f"{key}={shlex.quote(value)}" for key, value in settings.items())
    done = await session.run("sh", script=f"{lines}\n{_FIND}", user=user, check=False)
    links: dict[str, str] = {}
    made: list[str] = []
    # Names are bytes: what a command prints would come as text.
    found = base64.b64decode(done.stdout).decode(errors="surrogateescape")
    for line in found.split("\n"):
        fields = line.split("\t")
        if fields[0] == "l" and len(fields) == 3:
            links[fields[1]] = fields[2]
        elif fields[0] == "d" and len(fields) == 2:
            made.append(fields[1])
    return links, made


def wanted(links: Mapping[str, str], names: set[str]) -> bool:
    """Return whether any of the links starts one of the units: it lies in a folder of what wants or requires them."""
    return any(
        path.split("/")[-2].endswith((".wants", ".requires", ".upholds")) and path.rpartition("/")[2] in names
        for path in links
    )


def starts_script(links: Mapping[str, str]) -> bool:
    """Return whether a System V script is started in any of the ordinary runlevels."""
    return any(path.startswith(f"/etc/rc{level}.d/S") for path in links for level in "2345")


def steps_back(
    now: Mapping[str, str],
    before: Mapping[str, str],
    made: list[str],
    had: list[str],
    *,
    leave: frozenset[str] = frozenset(),
    remove: bool = True,
) -> list[str]:
    """Return the lines for `change_links` that make `now` to `before`.

    `leave` are paths that are put back another way, and without `remove` no link goes that somebody has made since.
    """
    lines = [f"r\t{path}" for path in now if remove and path not in before and path not in leave]
    lines += [
        f"l\t{path}\t{target}" for path, target in before.items() if now.get(path) != target and path not in leave
    ]
    # `made` may hold too what the links just removed leave empty; rmdir takes none that is not.
    return [*lines, *(f"d\t{folder}" for folder in made if folder not in had)] if lines else []


async def change_links(session: Session, lines: list[str], user: str | None) -> None:
    """Remove (`r`) and make (`l`) links, and remove (`d`) empty folders; as the account where they are its own."""
    if lines:
        text = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
        await session.run("sh", "-eu", stdin=text, script=_CHANGE, user=user)
