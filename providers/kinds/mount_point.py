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

from providers.errors import InvalidInput
from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Kind, Mode
from providers.kinds.file import path_to_identity
from providers.machine.session import FileType, Session


class MountPointInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where it is. Its parent must exist. A change replaces it.")]
    mode: Annotated[Mode, Field(description="Permission bits, as four octal digits.")] = "0755"
    owner: Annotated[AccountName, Field(description="Name of the user who owns it.")] = "root"
    group: Annotated[AccountName, Field(description="Name of the group that owns it.")] = "root"


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
    if mounted:
        return MountPointFacts(present=True, mode=inputs.mode, owner=inputs.owner, group=inputs.group, mounted=True)
    if stat is None:
        return MountPointFacts(present=False)
    return MountPointFacts(present=True, mode=stat.mode, owner=stat.owner, group=stat.group, type=stat.type)


async def apply(session: Session, inputs: MountPointInputs, facts: MountPointFacts) -> None:
    if facts.present and facts.type != "directory":
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is a {facts.type}, and only a directory can be a mount point",
            remedy="move it away, or choose another path",
        )
    if not facts.present:
        await session.make_directory(inputs.path, mode=inputs.mode, owner=inputs.owner, group=inputs.group)
    await session.set_attributes(inputs.path, mode=inputs.mode, owner=inputs.owner, group=inputs.group)


async def restore(session: Session, inputs: MountPointInputs, before: MountPointFacts) -> None:
    if await _mounted(session, inputs.path):
        if not before.mounted:
            session.warn(
                f"{inputs.path} on {session.machine} has something mounted on it: the directory was left alone"
            )
        return
    found = await session.stat(inputs.path, entries=True)
    if before.present and not before.mounted and found is not None:
        await session.set_attributes(inputs.path, mode=before.mode, owner=before.owner, group=before.group)
    elif not before.present and found is not None:
        if found.entries:
            session.warn(f"{inputs.path} on {session.machine} is not empty: it was left alone")
        else:
            await session.remove(inputs.path)


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
    locks=lambda inputs: (f"file:{inputs.path}",),
    by_hand=lambda inputs: f"rmdir {shlex.quote(inputs.path)}",
)
