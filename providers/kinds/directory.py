"""A directory on a machine: that it is there, and its mode, owner and group.

Manages the directory itself, not what lies in it, and not its parents. On destroy a directory that was not there
before is removed if it is empty by then; with `purge`, with everything in it. One that was there gets its attributes
back. A mount point is never emptied.
"""

from __future__ import annotations

import posixpath
import shlex
from typing import Annotated

from pydantic import Field

from providers.errors import InvalidInput, as_a_whole
from providers.kind import AbsolutePath, Facts, Inputs, Kind, Mode, Owner
from providers.kinds import reasons
from providers.kinds.file import path_to_identity
from providers.machine.session import FileType, Session, Stat, called, shown


class DirectoryInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where it is. Its parent must exist. A change replaces it.")]
    mode: Annotated[Mode | None, Field(description="Permission bits, as four octal digits.")] = None
    owner: Annotated[Owner | None, Field(description="Name or number of the user who owns it.")] = None
    group: Annotated[Owner | None, Field(description="Name or number of the group that owns it.")] = None
    purge: Annotated[
        bool, Field(description="Whether destroy removes it with everything in it, where it was not there before.")
    ] = False


class DirectoryFacts(Facts):
    mode: str = Field(default="", description="Permission bits; for what is no directory, a line that says so.")
    owner: str = ""
    group: str = ""
    type: FileType = "directory"


def facts_of(stat: Stat | None) -> DirectoryFacts:
    if stat is None:
        return DirectoryFacts(present=False)
    mode = stat.mode if stat.type == "directory" else f"<{called(stat.type)}>"
    return DirectoryFacts(present=True, mode=mode, owner=stat.owner, group=stat.group, type=stat.type)


async def refuse_missing_parent(session: Session, path: str) -> None:
    """InvalidInput where the folder that `path` would lie in is not there."""
    parent = posixpath.dirname(path)
    if parent != "/" and await session.stat(parent) is None:
        raise InvalidInput(
            f"{path} can't be made on {session.machine}: {parent} is not there, and parents are not made along the way",
            remedy=f"add a Directory for {parent}, and name it in depends_on",
        )


async def observe(session: Session, inputs: DirectoryInputs) -> DirectoryFacts:
    return facts_of(await session.stat(inputs.path, owner=inputs.owner, group=inputs.group))


async def apply(session: Session, inputs: DirectoryInputs, facts: DirectoryFacts) -> None:
    if facts.present and facts.type != "directory":
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is {called(facts.type)}, and a Directory takes no other thing's place",
            remedy="move it away, or give the Directory another path (of a link: the path that it points to)",
        )
    if not facts.present:
        await refuse_missing_parent(session, inputs.path)
        mode, owner, group = inputs.mode or "0755", inputs.owner or "root", inputs.group or "root"
        with as_a_whole():
            await session.make_directory(inputs.path, mode=mode, owner=owner, group=group)
    # Also for a new one: somebody else may have made it in the meantime.
    with as_a_whole():
        await session.set_attributes(inputs.path, mode=inputs.mode, owner=inputs.owner, group=inputs.group)


async def restore(session: Session, inputs: DirectoryInputs, before: DirectoryFacts) -> None:
    found = await session.stat(inputs.path, entries=True)
    if found is not None and found.type != "directory":
        session.warn(f"{inputs.path} on {session.machine} is {called(found.type)} by now: it was left alone")
    elif before.present and before.type == "directory":
        if found is None:
            await _remake(session, inputs.path, before)
            return
        await session.set_attributes(
            inputs.path,
            mode=None if inputs.mode is None else before.mode,
            owner=None if inputs.owner is None else before.owner,
            group=None if inputs.group is None else before.group,
        )
    elif before.present or found is None:
        return
    elif found.entries and not inputs.purge:
        some = ", ".join(map(shown, found.entries[:3])) + (" ..." if len(found.entries) > 3 else "")
        session.warn(f"{inputs.path} on {session.machine} is not empty ({some}) and has no `purge`: it was left there")
    else:
        await session.remove(inputs.path, recursive=inputs.purge)


async def _remake(session: Session, path: str, before: DirectoryFacts) -> None:
    """Make a directory again that was there before and that somebody has removed since."""
    if await session.stat(posixpath.dirname(path)) is None:
        session.warn(f"{path} on {session.machine} is gone, with the folder that it was in: it was left so")
        return
    await session.make_directory(path, mode=before.mode, owner=before.owner, group=before.group)


async def explain(session: Session, inputs: DirectoryInputs, facts: DirectoryFacts) -> str:
    """Return why a folder is not as wished."""
    return await reasons.owners(session, inputs.path)


KIND = Kind(
    token="hearth:host:Directory",
    inputs=DirectoryInputs,
    facts=DirectoryFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path",),
    identify=lambda inputs: path_to_identity(inputs.path),
    defaults={"mode": "0755", "owner": "root", "group": "root"},
    parse=lambda identity: {"path": f"/{identity}"},
    locks=lambda inputs: (f"file:{inputs.path}",),
    explain=explain,
    by_hand=lambda inputs: f"rmdir {shlex.quote(inputs.path)}",
)
