"""A file on a machine: its text, mode, owner and group.

Manages one regular file, whole. Does not make the folder it lies in (see `Directory`), and does not share the file
with others (see `Block`). A new text comes by a new file in the old one's place, which gets what that had beside mode
and owner: access control list, extended attributes, capabilities, label, flags. A link or a file that was there before
is put back on destroy, byte for byte.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import posixpath
import shlex
from collections.abc import Awaitable
from typing import Annotated

from pydantic import Field

from providers.errors import InvalidInput, as_a_whole
from providers.kind import AbsolutePath, Facts, Inputs, Kind, Mode, Owner
from providers.kinds import reasons
from providers.kinds.accepting import Acceptance, InPlace, must_accept
from providers.kinds.takes_effect import Strangers, read_anew, strangers, with_reasons
from providers.machine.session import FileType, Session, Stat, called, shown

EMPTY = "\n"


class FileInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where the file is. A change replaces the resource.")]
    content: Annotated[str, Field(description="The whole text, in UTF-8. Give a secret and it stays one everywhere.")]
    mode: Annotated[Mode | None, Field(description="Permission bits, as four octal digits.")] = None
    owner: Annotated[Owner | None, Field(description="Name or number of the user who owns it.")] = None
    group: Annotated[Owner | None, Field(description="Name or number of the group that owns it.")] = None
    validate: Acceptance = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    in_place: InPlace = False


class FileFacts(Facts):
    content: str = Field(default="", description="The text; for other bytes, a line that says what they are.")
    binary: str = Field(default="", description="The bytes, also those of a link's target, in base64 if not UTF-8.")
    mode: str = ""
    owner: str = ""
    group: str = ""
    type: FileType = "file"
    target: str = Field(default="", description="Where a link points.")
    unreadable: str = Field(default="", description="Why its bytes are not known, if they are not: too many, say.")
    attributes: dict[str, str] = Field(
        default_factory=dict[str, str], description="Its extended attributes, in base64: access control list and all."
    )
    modified: int | None = Field(
        default=None, description="When its bytes were last written: a file that comes back was written then."
    )
    plain: str | None = Field(default=None, description="The text, where `content` says more: who else may write it.")
    strangers: list[str] = Field(default_factory=list[str], description="Who may write into it and is not meant to.")

    @property
    def text(self) -> str:
        """The text as it is."""
        return self.content if self.plain is None else self.plain


def text_of(content: bytes) -> tuple[str, str]:
    """Return `content` as text and an empty string; or, where it is not UTF-8, a line about it and its base64 form."""
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        digest = hashlib.sha256(content).hexdigest()
        return f"<{len(content)} bytes that are not text, sha256 {digest}>", base64.b64encode(content).decode()


def facts_of(stat: Stat | None, others: Strangers | None = None) -> FileFacts:
    if stat is None:
        return FileFacts(present=False)
    if stat.type == "symlink":
        target = (stat.content or b"").decode(errors="surrogateescape")
        binary = "" if target == shown(target) else base64.b64encode(stat.content or b"").decode()
        target = shown(target)
        return FileFacts(
            present=True,
            type="symlink",
            target=target,
            binary=binary,
            content=f"<a link to {target}>",
            owner=stat.owner,
            group=stat.group,
        )
    if stat.type != "file":
        return FileFacts(present=True, type=stat.type, content=f"<{called(stat.type)}>", mode=stat.mode)
    text, binary = text_of(stat.content or b"")
    text = f"<{stat.unreadable}>" if stat.unreadable else text
    reasons = list(others.reasons) if others is not None else []
    return FileFacts(
        present=True,
        content=with_reasons(text, reasons),
        plain=text if reasons else None,
        strangers=reasons,
        binary=binary,
        mode=stat.mode,
        owner=stat.owner,
        group=stat.group,
        type="file",
        unreadable=stat.unreadable,
        attributes=dict(stat.attributes),
        modified=stat.modified,
    )


async def observe(session: Session, inputs: FileInputs) -> FileFacts:
    stat = await session.stat(inputs.path, content=True, owner=inputs.owner, group=inputs.group)
    return facts_of(stat, others_of(inputs, stat))


def others_of(inputs: FileInputs, stat: Stat | None) -> Strangers | None:
    """Return who else may write into a file; what is wished of it is as it is meant to be."""
    if stat is None or stat.type != "file":
        return None
    return strangers(inputs.path, stat, mode=inputs.mode is not None, owner=inputs.owner is not None)


async def apply(session: Session, inputs: FileInputs, facts: FileFacts) -> FileFacts:
    if facts.present and facts.type not in ("file", "symlink"):
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is {called(facts.type)},"
            " and a File can only stand in the place of a file",
            remedy="move it away, or give the File another path",
        )
    mode, owner, group = inputs.mode, inputs.owner, inputs.group
    if facts.strangers and (others := others_of(inputs, await session.stat(inputs.path, content=True))):
        mode, owner = mode or others.mode, owner or others.owner
    if facts.present and facts.type == "file" and facts.text == inputs.content and not facts.unreadable:
        return await _look_after(
            session.set_attributes(inputs.path, mode=mode, owner=owner, group=group), session, inputs
        )
    content = inputs.content.encode()
    if inputs.validate is not None:
        await must_accept(session, inputs.validate, inputs.path, content)
    with as_a_whole():
        writing = session.write(inputs.path, content, mode=mode, owner=owner, group=group, in_place=inputs.in_place)
        now = await _look_after(writing, session, inputs)
    await read_anew(session, inputs.path, _said(facts), inputs.content or EMPTY)
    return now


async def _look_after(change: Awaitable[None], session: Session, inputs: FileInputs) -> FileFacts:
    """Look at what is there after a change, in one exchange with it."""
    _, facts = await asyncio.gather(change, observe(session, inputs))
    return facts


async def restore(session: Session, inputs: FileInputs, before: FileFacts) -> None:
    if before.present and (before.type not in ("file", "symlink") or before.unreadable):
        return  # apply refused to stand in its place: it is there still
    now = facts_of(await session.stat(inputs.path, content=True))
    written = now.modified if before.modified is None else before.modified
    if now == before.model_copy(update={"content": before.text, "plain": None, "strangers": [], "modified": written}):
        return
    await _put_back(session, inputs, now, before)
    await read_anew(session, inputs.path, _said(now), _said(before))


def _said(facts: FileFacts) -> str:
    """Return the text of what is there; an empty file says something else than none."""
    return (facts.text or EMPTY) if facts.present else ""


async def _put_back(session: Session, inputs: FileInputs, now: FileFacts, before: FileFacts) -> None:
    if not before.present:
        await session.remove(inputs.path)
        return
    await _remake_folder(session, posixpath.dirname(inputs.path))
    content = base64.b64decode(before.binary)
    if before.type == "symlink":
        target = content.decode(errors="surrogateescape") if content else before.target
        await session.symlink(inputs.path, target)
        return
    keep = now.present and now.type == "file"  # what is not managed stays as it is by now
    await session.write(
        inputs.path,
        content or before.text.encode(),
        mode=before.mode if inputs.mode is not None or before.strangers or not keep else None,
        owner=before.owner if inputs.owner is not None or before.strangers or not keep else None,
        group=before.group if inputs.group is not None or not keep else None,
        # Of a file that was made anew since, they were lost.
        attributes=None if now.attributes else before.attributes,
        modified=before.modified,
        in_place=inputs.in_place and keep,
    )


async def _remake_folder(session: Session, folder: str) -> None:
    """Make a folder that somebody has removed, and those above it: what was in it is worth more than its absence."""
    if folder == "/" or await session.stat(folder) is not None:
        return
    await _remake_folder(session, posixpath.dirname(folder))
    await session.make_directory(folder, mode="0755", owner="root", group="root")
    session.warn(
        f"{folder} on {session.machine} was removed by somebody: it was made anew, 0755 and root's, for what was in it"
        " before"
    )


async def explain(session: Session, inputs: FileInputs, facts: FileFacts) -> str:
    """Return why a file is not as wished: a file system that keeps no owners or modes, most of the time."""
    if facts.strangers:
        return f"{facts.strangers[0]}, and that could not be taken away"
    if facts.text != inputs.content:
        return "its text is another one than a moment ago: a program on the machine writes it as well"
    return await reasons.owners(session, inputs.path)


def path_to_identity(path: str) -> str:
    """Return the path in an id: `machine/...` is the path without its first slash."""
    return path.removeprefix("/")


KIND = Kind(
    token="hearth:host:File",
    inputs=FileInputs,
    facts=FileFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path",),
    identify=lambda inputs: path_to_identity(inputs.path),
    defaults={"mode": "0644", "owner": "root", "group": "root"},
    parse=lambda identity: {"path": f"/{identity}"},
    locks=lambda inputs: (f"file:{inputs.path}",),
    unkeepable=lambda facts: facts.unreadable,
    explain=explain,
    by_hand=lambda inputs: f"rm {shlex.quote(inputs.path)}",
)
