"""Which files Hearth made that several resources share: the last of them takes such a file away again.

Resources go in any order, so that is written down on the machine, one small file for each.
"""

from __future__ import annotations

import hashlib

from providers.errors import HearthError
from providers.machine.own_folder import OWN_FOLDER, PRIVATE, make_own_folder
from providers.machine.session import Session

NOTES = f"{OWN_FOLDER}/files"


def _note(path: str) -> str:
    return f"{NOTES}/{hashlib.sha256(path.encode()).hexdigest()[:40]}"


async def note_made(session: Session, path: str) -> None:
    """Note that Hearth is about to make the file `path`."""
    await make_own_folder(session)
    await session.make_directory(NOTES, **PRIVATE)
    await session.write(_note(path), f"{path}\n".encode(), mode="0600", owner="root", group="root")


async def was_made(session: Session, path: str) -> bool:
    return await session.stat(_note(path)) is not None


async def forget(session: Session, path: str) -> None:
    """Note that the file `path` is gone, or somebody else's by now."""
    await session.remove(_note(path))
    try:
        await session.remove(NOTES)
    except HearthError:  # others are noted there
        return
