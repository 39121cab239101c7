"""A command that must accept a new text before it takes the place of the old one: sshd -t, visudo -c, named-checkconf.

What shares it are the kinds that write texts for programs: File and Block.
"""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import InvalidInput
from providers.machine.own_folder import PRIVATE
from providers.machine.session import Session

PLACE = "{}"
"""Stands in the command for the path of the new text."""
FOLDER = "/run/hearth"


def _command(value: list[str] | None) -> list[str] | None:
    if value is not None and (not value or not value[0] or not any(PLACE in word for word in value[1:])):
        raise ValueError(
            "must be a program and its arguments, one of them with '{}' where the path of the new text goes, as"
            " ['visudo', '-cf', '{}']"
        )
    return value


Acceptance = Annotated[
    list[str] | None,
    AfterValidator(_command),
    Field(
        description="A command that must accept the new text before it replaces the old: a program and its arguments,"
        " with '{}' for the path of a copy, as ['sshd', '-t', '-f', '{}']. No shell."
    ),
]

InPlace = Annotated[
    bool,
    Field(
        description="Whether the text goes into the file that is there, and no new one takes its place: for a file"
        " that is a mount of its own, as /etc/hosts in a container. Who reads it the while sees a part of it."
    ),
]
"""The input of a kind that writes into a file, by which it does not replace the file."""


async def must_accept(session: Session, command: Sequence[str], path: str, content: bytes) -> None:
    """Raise InvalidInput, with what the command said, unless it accepts `content` as the new text of `path`."""
    # On a file system in memory, and in a folder that root alone may enter: it may be secret.
    folder = f"{FOLDER}/new-{secrets.token_hex(8)}"
    copy = f"{folder}/{posixpath.basename(path)}"
    await session.make_directory(FOLDER, **PRIVATE)
    await session.make_directory(folder, **PRIVATE)
    try:
        await session.write(copy, content, mode="0600", owner="root", group="root")
        argv = [word.replace(PLACE, copy) for word in command]
        done = await session.run(*argv, check=False)
    finally:
        await session.remove(folder, recursive=True)
    line = " ".join(command)
    if done.status == 127:
        raise InvalidInput(
            f"the new text of {path} on {session.machine} can't be looked at by `{line}`: there is no {command[0]}",
            detail=done.stderr,
            remedy=f"name the Package that brings {command[0]} in depends_on",
        )
    if not done.ok:
        raise InvalidInput(
            f"the new text of {path} on {session.machine} is not accepted by `{line}` (exit status {done.status}), so"
            " the old one stays",
            detail=(done.stderr or done.stdout).replace(copy, path),
            remedy="put the text right",
        )
