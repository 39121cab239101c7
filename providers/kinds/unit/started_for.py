"""Whether a unit runs with what is in its files by now: when they changed, and what it was last started for.

A file's change time tells that something happened to it, and its content whether that matters: a backup that only
touches it is no reason to restart. Sources: systemctl(1), --timestamp; find(1), -printf.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from providers.kinds.unit.systemd import Manager
from toolchain.lines import lines_in

# A folder stands for the files in it; that one has come or gone shows in its own change time and in the list.
_LOOK = """
while IFS= read -r path; do
    changed=$(find -H "$path" -printf '%C@\\n' 2> /dev/null | sort -n | tail -n 1)
    digest=$(find -H "$path" -type f -exec sha256sum {} + 2> /dev/null | sort | sha256sum | cut -c 1-24)
    printf '%s %s %s\\n' "${changed:--}" "$digest" "$path"
done
"""
_WHEN = """
since=$(systemctl $scope show --timestamp=us -p ActiveEnterTimestamp --value "$unit" 2> /dev/null)
[ -z "$since" ] || date -d "$since" +%s.%6N
"""


@dataclass(frozen=True)
class StartedFor:
    """Path -> digest of what is in it now, and the paths with something else in them than the unit was started for."""

    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    stale: Sequence[str] = ()


async def look(manager: Manager, unit: str, paths: Sequence[str], known: Mapping[str, str]) -> StartedFor:
    """Look at the files of a unit; `known` is what they held when Hearth last started it, as far as that is known."""
    settings = f"scope={'--user' if manager.user else ''} unit='{unit}'\n"
    begun, files = await asyncio.gather(
        manager.session.run("sh", script=settings + _WHEN, user=manager.user, check=False),
        manager.session.run("sh", stdin="".join(f"{path}\n" for path in paths), script=_LOOK, check=False),
    )
    since = _number(begun.stdout)
    digests: dict[str, str] = {}
    stale: list[str] = []
    for line in lines_in(files.stdout):
        changed, digest, path = line.split(" ", 2)
        digests[path] = digest
        later = since is not None and (when := _number(changed)) is not None and when > since
        gone = changed == "-" and known.get(path, digest) != digest
        if (later or gone) and known.get(path) != digest:
            stale.append(path)
    return StartedFor(digests, stale)


def _number(text: str) -> float | None:
    try:
        return float(text.strip())
    except ValueError:
        return None


def stamp_text(mark: str, digests: Mapping[str, str]) -> str:
    """Write down what a unit was started for: its mark in the first line, then its files."""
    return "\n".join([mark or "-", *(f"{digest} {path}" for path, digest in sorted(digests.items()))]) + "\n"


def parse_stamp(text: str) -> tuple[str | None, dict[str, str]]:
    """Read that again: (mark, path -> digest)."""
    first, *rest = text.strip().split("\n")
    known = (line.partition(" ") for line in rest)
    return None if first in ("", "-") else first, {path: digest for digest, _, path in known}
