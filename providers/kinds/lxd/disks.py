"""Disks that a pool takes whole: named by their id, and empty, or overwritten only where the settings say so.

Empty is a disk without partitions on which nothing is found that libblkid knows: no file system, no part of a RAID, a
pool or a volume group, no swap. Source: wipefs(8), lsblk(8) of util-linux 2.41; open(2) on O_EXCL of a block device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.errors import HearthError, InvalidInput
from providers.kinds.lxd.api import Api, Request, at
from providers.machine.session import Session
from toolchain.lines import lines_in

Sources = Mapping[str, Mapping[str, str]]

# The kernel's own word: who mounts, swaps to or builds on a disk, or on a part of one, holds it alone.
_FREE = """
set -eu
disk=$(cat)
[ -b "$disk" ] || { echo "<no such disk>"; exit 0; }
said=$(python3 -c '
import errno, os, sys
try:
    os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL))
except OSError as error:
    print("<in use>" if error.errno == errno.EBUSY else "<not readable: %s>" % error.strerror)
' "$disk")
[ -z "$said" ] || { echo "$said"; exit 0; }
"""
# Each into a variable first: what fails in a pipe would count as nothing found.
_LOOK = (
    _FREE
    + """
known=$(wipefs --no-act --noheadings --output TYPE "$disk")
parts=$(lsblk --noheadings --list --output NAME "$disk")
printf '%s\\n' "$known" | sed '/^$/d'
printf '%s\\n' "$parts" | tail -n +2
"""
)
# What is in a part of it too, or it is found again where the next table happens to begin a part at the same place.
_WIPE = (
    _FREE
    + """
for part in $(lsblk --noheadings --list --paths --output NAME "$disk" | tail -n +2); do
    wipefs --all --force "$part" >/dev/null
done
wipefs --all --force "$disk" >/dev/null
blockdev --rereadpt "$disk" 2>/dev/null || true
"""
)


def _why(said: str) -> str:
    return {"<no such disk>": "is not there"}.get(said, f"is {said.strip('<>')}")


def sources_of(member_config: Sources) -> dict[str, str]:
    """Return member -> its disk, of those that bring one."""
    given = {member: config.get("source", "") for member, config in member_config.items()}
    return {member: source for member, source in given.items() if source.startswith("/dev/")}


async def make_ready(
    session: Session, member_config: Sources, machines: Mapping[str, str], wipe: Sequence[str]
) -> None:
    """Look at every disk before anything is written anywhere; overwrite the heads of those that may be.

    Raises InvalidInput that lists each disk that is not there, in use, or not empty.
    """
    sources = sources_of(member_config)
    wrong: list[str] = []
    to_wipe: list[str] = []
    for member, disk in sources.items():
        async with session.elsewhere(machines.get(member, member)) as there:
            found = lines_in((await there.run("sh", script=_LOOK, stdin=disk)).stdout)
        if found and found[0].startswith("<"):
            wrong.append(f"{member}: {disk} {_why(found[0])}")
        elif found and member not in wipe:
            wrong.append(f"{member}: {disk} is not empty ({', '.join(found)})")
        elif found:
            to_wipe.append(member)
    if wrong:
        raise InvalidInput(
            "disks for the pool can't be taken; nothing was changed on any member",
            detail="\n".join(wrong),
            remedy="correct the id (ls -l /dev/disk/by-id), or say `wipe: true` where all on that disk may be lost",
        )
    for member in to_wipe:
        async with session.elsewhere(machines.get(member, member)) as there:
            there.progress(f"wiping {sources[member]} of {member}")
            done = await there.run("sh", script=_WIPE, stdin=sources[member])
            if done.stdout:
                raise HearthError(
                    f"{sources[member]} of {member} {_why(done.stdout.strip())} since it was"
                    " looked at; it was not wiped",
                    remedy="see who uses it there (lsblk, fuser), then run up again",
                )


async def taken(api: Api, pool: str, sources: Mapping[str, str]) -> dict[str, str]:
    """Return member -> its disk, of those that the pool has by its own word: no other is ever made empty."""
    found: dict[str, str] = {}
    for member, disk in sources.items():
        (answer,) = await api.ask(Request("GET", at("storage-pools", pool, target=member)))
        there: dict[str, Any] = {} if answer.failure or answer.status >= 400 else answer.found or {}
        config: dict[str, str] = there.get("config") or {}
        if disk in (config.get("volatile.initial_source"), config.get("source")):
            found[member] = disk
    return found


async def give_back(session: Session, disks: Mapping[str, str], machines: Mapping[str, str]) -> None:
    """Leave disks of a pool that is gone empty, as they were taken; one that is in use by now is left alone."""
    for member, disk in disks.items():
        async with session.elsewhere(machines.get(member, member)) as there:
            await there.run("sh", script=_WIPE, stdin=disk)
