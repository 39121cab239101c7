"""Disks that a pool takes whole: named by their id, and empty, or overwritten only where the settings say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from providers.errors import InvalidInput
from providers.machine.session import Session

_LOOK = """
disk=$(cat)
[ -b "$disk" ] || { echo "<no such disk>"; exit 0; }
real=$(readlink -f "$disk")
holders=$(ls -A "/sys/class/block/${real##*/}/holders")
if [ -n "$holders" ] || grep -q "^$real[ 0-9p]" /proc/mounts; then echo "<in use>"; exit 0; fi
wipefs --no-act --parsable "$disk" | sed '/^#/d; s/,.*//'
lsblk --noheadings --list --output NAME "$disk" | tail -n +2
"""


async def make_ready(
    session: Session,
    member_config: Mapping[str, Mapping[str, str]],
    machines: Mapping[str, str],
    wipe: Sequence[str],
) -> None:
    """Look at every disk before anything is written anywhere; overwrite the heads of those that may be.

    Raises InvalidInput that lists each disk that is not there, in use, or not empty.
    """
    sources = {
        member: config["source"]
        for member, config in member_config.items()
        if config.get("source", "").startswith("/dev/")
    }
    wrong: list[str] = []
    to_wipe: list[str] = []
    for member, disk in sources.items():
        async with session.elsewhere(machines.get(member, member)) as there:
            found = (await there.run("sh", script=_LOOK, stdin=disk)).stdout.split()
        if "<no" in found or "<in" in found:
            wrong.append(f"{member}: {disk} {'is not there' if '<no' in found else 'is in use'}")
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
            await there.run("sh", "-eu", script=_WIPE, stdin=json.dumps(sources[member]).strip('"'))


_WIPE = """
disk=$(cat)
wipefs --all --force "$disk"
"""
