"""Changing the machine's lists of accounts and groups by hand, under the lock that shadow's own programs take.

They change what they have an option for; what they can't say (the order of members, a member without an account) is
written here. Source: lckpwdf(3), and commonio.c of shadow for the lock file beside each list.
"""

from __future__ import annotations

import asyncio
import hashlib
import shlex
from collections.abc import Callable

from providers.errors import HearthError
from providers.machine.session import Session
from toolchain.lines import lines_in

GROUP, GSHADOW = "/etc/group", "/etc/gshadow"
_CHANGED, _BUSY = 75, 76
# The lock is a file that holds its owner's process id; one whose owner is gone is no lock.
_WRITE = f"""
lock=$path.lock
tries=0
until (set -C; echo $$ > "$lock") 2> /dev/null; do
    owner=$(tr -dc 0-9 < "$lock" 2> /dev/null || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2> /dev/null; then rm -f "$lock"; continue; fi
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || exit {_BUSY}
    sleep 0.1
done
new=$(mktemp "$path.XXXXXX")
trap 'rm -f "$new" "$lock"' EXIT
trap 'exit 143' HUP INT TERM
[ "$(sha256sum < "$path" | cut -d" " -f1)" = "$digest" ] || exit {_CHANGED}
cat > "$new"
chmod --reference="$path" "$new"
chown --reference="$path" "$new"
sync "$new" 2> /dev/null || true
mv -f "$new" "$path"
"""


async def read(session: Session, path: str) -> str | None:
    """Return a list's text, whatever its bytes; None where there is none."""
    found = await session.stat(path, content=True)
    return None if found is None else (found.content or b"").decode(errors="surrogateescape")


async def edit(session: Session, path: str, change: Callable[[str], str]) -> None:
    """Write a list anew as `change` makes it from what is there; again, where somebody else has written it meanwhile.

    Nothing happens where it is not there, or `change` changes nothing. Raises HearthError where it stays locked.
    """
    for _ in range(5):
        old = await read(session, path)
        if old is None or (new := change(old)) == old:
            return
        digest = hashlib.sha256(old.encode(errors="surrogateescape")).hexdigest()
        settings = f"path={shlex.quote(path)} digest={digest}\n"
        content = new.encode(errors="surrogateescape")
        done = await session.run("sh", "-eu", stdin=content, script=f"{settings}{_WRITE}", check=False)
        if done.ok:
            return
        if done.status not in (_CHANGED, _BUSY):
            raise HearthError(f"{path} on {session.machine} could not be written", detail=done.stderr)
        await asyncio.sleep(0.2)
    raise HearthError(
        f"{path} on {session.machine} is locked, or changed again and again, by another program",
        remedy=f"see what holds {path}.lock there (its process id is in it), then run it again",
    )


def members(text: str, name: str) -> dict[str, list[str]]:
    """Group -> all its members, in their order, for each group that lists `name`."""
    found: dict[str, list[str]] = {}
    for line in lines_in(text):
        fields = line.split(":")
        if len(fields) == 4 and name in (listed := fields[3].split(",")):
            found[fields[0]] = listed
    return found


def with_list(text: str, group: str, listed: list[str]) -> str:
    """Return `text` of /etc/group or /etc/gshadow with just these members in a group."""
    lines = (line.split(":") for line in lines_in(text))
    return "".join(
        ":".join([*fields[:3], ",".join(listed)] if fields[0] == group and len(fields) == 4 else fields) + "\n"
        for fields in lines
    )


def with_members(text: str, name: str, before: dict[str, list[str]]) -> str:
    """Return `text` of /etc/group or /etc/gshadow with `name` in just the groups of `before`, where it stood in each.

    The others stay as they are now and in the order that they have: each account has a record of its own, and the list
    in one may lack whom another account's resource had taken out before.
    """
    lines: list[str] = []
    for line in lines_in(text, keepends=True):
        fields = line.rstrip("\n").split(":")
        if len(fields) == 4:
            now = [each for each in fields[3].split(",") if each]
            fields[3] = ",".join(_placed(now, name, before.get(fields[0], [])))
            line = ":".join(fields) + "\n" * line.endswith("\n")
        lines.append(line)
    return "".join(lines)


def _placed(now: list[str], name: str, was: list[str]) -> list[str]:
    """Return the members `now` with `name` before who stood behind it in `was`, else behind who stood before it."""
    others = [each for each in now if each != name]
    if name not in was:
        return others
    if others == [each for each in was if each != name]:
        return was
    if name in now and [each for each in now if each in was] == [each for each in was if each in now]:
        return now
    there = was.index(name)
    behind = [others.index(each) for each in was[there + 1 :] if each in others]
    ahead = [others.index(each) for each in was[:there] if each in others]
    place = behind[0] if behind else ahead[-1] + 1 if ahead else 0
    return [*others[:place], name, *others[place:]]
