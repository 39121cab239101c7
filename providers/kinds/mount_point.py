"""A directory on which a file system is mounted, now or later: that it is there, and whose it is beneath the mount.

Manages the directory, not the mount. While something is mounted there, an automount's trap included, mode and owner
that can be seen are those of what is mounted, so they are taken to be as they were wished, and are not changed. On
destroy a directory that was not there before is removed if it is empty and nothing is mounted on it.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import Annotated

from pydantic import Field

from providers.errors import InvalidInput, as_a_whole
from providers.kind import AbsolutePath, Facts, Inputs, Kind, Mode, Owner
from providers.kinds import reasons
from providers.kinds.directory import refuse_missing_parent
from providers.kinds.file import path_to_identity
from providers.machine.session import FileType, Session, called


class MountPointInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where it is. Its parent must exist. A change replaces it.")]
    mode: Annotated[Mode | None, Field(description="Permission bits, as four octal digits.")] = None
    owner: Annotated[Owner | None, Field(description="Name or number of the user who owns it.")] = None
    group: Annotated[Owner | None, Field(description="Name or number of the group that owns it.")] = None


class MountPointFacts(Facts):
    mode: str = ""
    owner: str = ""
    group: str = ""
    mounted: bool = Field(default=False, description="Whether a file system covers the directory.")
    type: FileType = "directory"


async def _mounted(session: Session, path: str) -> bool:
    # findmnt reads the kernel's list: looking at the path itself could wake an automount, and wait for its machine.
    return (await session.run("findmnt", "--noheadings", "--mountpoint", path, check=False)).ok


async def observe(session: Session, inputs: MountPointInputs) -> MountPointFacts:
    stat, mounted = await asyncio.gather(session.stat(inputs.path), _mounted(session, inputs.path))
    if stat is None:
        return MountPointFacts(present=False)
    if stat.type != "directory":  # findmnt follows a link, and takes its target for the mount point
        return MountPointFacts(present=False, type=stat.type)
    if mounted:
        mode, owner, group = inputs.mode or "", inputs.owner or "", inputs.group or ""
        return MountPointFacts(present=True, mode=mode, owner=owner, group=group, mounted=True)
    return MountPointFacts(present=True, mode=stat.mode, owner=stat.owner, group=stat.group)


async def apply(session: Session, inputs: MountPointInputs, facts: MountPointFacts) -> None:
    if facts.type != "directory":
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is {called(facts.type)}, and only a directory can be a mount point",
            remedy="move it away (what it points to stays mounted), or choose another path",
        )
    if not facts.present:
        await refuse_missing_parent(session, inputs.path)
        mode, owner, group = inputs.mode or "0755", inputs.owner or "root", inputs.group or "root"
        with as_a_whole():
            await session.make_directory(inputs.path, mode=mode, owner=owner, group=group)
    if facts.mounted or (inputs.mode, inputs.owner, inputs.group) == (None, None, None):
        return
    with as_a_whole():
        await session.set_attributes(inputs.path, mode=inputs.mode, owner=inputs.owner, group=inputs.group)


async def restore(session: Session, inputs: MountPointInputs, before: MountPointFacts) -> None:
    found = await session.stat(inputs.path, entries=True)
    if found is not None and found.type != "directory":
        session.warn(f"{inputs.path} on {session.machine} is {called(found.type)} by now: it was left alone")
        return
    if await _mounted(session, inputs.path):
        if not before.mounted:
            session.warn(
                f"{inputs.path} on {session.machine} has something mounted on it: the directory was left alone"
            )
        return
    if before.present and not before.mounted and found is not None:
        await _put_back(session, inputs, before)
    elif not before.present and found is not None:
        if found.entries:
            session.warn(f"{inputs.path} on {session.machine} is not empty: it was left alone")
        else:
            await session.remove(inputs.path)


async def _put_back(session: Session, inputs: MountPointInputs, before: MountPointFacts) -> None:
    mode, owner, group = (
        was if wish is not None else None
        for wish, was in ((inputs.mode, before.mode), (inputs.owner, before.owner), (inputs.group, before.group))
    )
    if (mode, owner, group) != (None, None, None):
        await session.set_attributes(inputs.path, mode=mode, owner=owner, group=group)


async def explain(session: Session, inputs: MountPointInputs, facts: MountPointFacts) -> str:
    """Return why a mount point is not as wished."""
    if facts.type != "directory":
        return f"{called(facts.type)} has come in its place"
    return await reasons.owners(session, inputs.path)


KIND = Kind(
    token="hearth:host:MountPoint",
    inputs=MountPointInputs,
    facts=MountPointFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path",),
    identify=lambda inputs: path_to_identity(inputs.path),
    parse=lambda identity: {"path": f"/{identity}"},
    defaults={"mode": "0755", "owner": "root", "group": "root"},
    locks=lambda inputs: (f"file:{inputs.path}",),
    explain=explain,
    by_hand=lambda inputs: f"rmdir {shlex.quote(inputs.path)}",
)
