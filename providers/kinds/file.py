"""A file on a machine: its text, mode, owner and group.

Manages one regular file, whole. Does not make the folder it lies in (see `Directory`), and does not share the file
with others (see `Block`). A link or a file that was there before is put back on destroy, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from typing import Annotated

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Kind, Mode
from providers.machine.session import FileType, Session, Stat


class FileInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where the file is. A change replaces the resource.")]
    content: Annotated[str, Field(description="The whole text, in UTF-8. Give a secret and it stays one everywhere.")]
    mode: Annotated[Mode, Field(description="Permission bits, as four octal digits.")] = "0644"
    owner: Annotated[AccountName, Field(description="Name of the user who owns it.")] = "root"
    group: Annotated[AccountName, Field(description="Name of the group that owns it.")] = "root"


class FileFacts(Facts):
    content: str = Field(default="", description="The text; for other bytes, a line that says what they are.")
    binary: str = Field(default="", description="The bytes in base64 where they are not UTF-8.")
    mode: str = ""
    owner: str = ""
    group: str = ""
    type: FileType = "file"
    target: str = Field(default="", description="Where a link points.")


def text_of(content: bytes) -> tuple[str, str]:
    """`content` as text and an empty string; or, where it is not UTF-8, a line about it and its base64 form."""
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        digest = hashlib.sha256(content).hexdigest()
        return f"<{len(content)} bytes that are not text, sha256 {digest}>", base64.b64encode(content).decode()


def facts_of(stat: Stat | None) -> FileFacts:
    if stat is None:
        return FileFacts(present=False)
    if stat.type == "symlink":
        target = (stat.content or b"").decode(errors="replace")
        return FileFacts(present=True, type="symlink", target=target, content=f"<a link to {target}>", owner=stat.owner)
    if stat.type != "file":
        return FileFacts(present=True, type=stat.type, content=f"<a {stat.type}>", mode=stat.mode)
    content, binary = text_of(stat.content or b"")
    return FileFacts(
        present=True, content=content, binary=binary, mode=stat.mode, owner=stat.owner, group=stat.group, type="file"
    )


async def observe(session: Session, inputs: FileInputs) -> FileFacts:
    return facts_of(await session.stat(inputs.path, content=True))


async def apply(session: Session, inputs: FileInputs, facts: FileFacts) -> None:
    if facts.present and facts.type not in ("file", "symlink"):
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is a {facts.type}, and a File can only stand in the place of a file",
            remedy="move it away, or give the File another path",
        )
    if facts.type == "file" and facts.present and facts.content == inputs.content:
        await session.set_attributes(inputs.path, mode=inputs.mode, owner=inputs.owner, group=inputs.group)
        return
    await session.write(inputs.path, inputs.content.encode(), mode=inputs.mode, owner=inputs.owner, group=inputs.group)


async def restore(session: Session, inputs: FileInputs, before: FileFacts) -> None:
    if not before.present:
        await session.remove(inputs.path)
    elif before.type == "symlink":
        await session.symlink(inputs.path, before.target)
    elif before.type != "file":
        return  # apply refused to stand in its place: it is there still
    else:
        content = base64.b64decode(before.binary) if before.binary else before.content.encode()
        await session.write(inputs.path, content, mode=before.mode, owner=before.owner, group=before.group)


def path_to_identity(path: str) -> str:
    """An id is `machine/...`: the path without its first slash."""
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
    parse=lambda identity: {"path": f"/{identity}"},
    locks=lambda inputs: (f"file:{inputs.path}",),
    by_hand=lambda inputs: f"rm {shlex.quote(inputs.path)}",
)
