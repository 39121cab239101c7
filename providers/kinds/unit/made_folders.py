"""Folders that Hearth makes on the way to a file, and takes away again with the last file in them.

Several resources share such folders and go in any order, so what was made is written down on the machine, one small
file for each folder: no two operations ever write the same one.
"""

from __future__ import annotations

import hashlib

from providers.errors import HearthError
from providers.machine.own_folder import OWN_FOLDER, PRIVATE, make_own_folder
from providers.machine.session import Session

MARKERS = f"{OWN_FOLDER}/folders"


def marker_of(folder: str) -> str:
    return f"{MARKERS}/{hashlib.sha256(folder.encode()).hexdigest()[:40]}"


async def make_folders(session: Session, folder: str, *, owner: str, group: str, mode: str = "0755") -> None:
    """Make `folder` and what is missing above it."""
    missing: list[str] = []
    while folder and await session.stat(folder) is None:
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    if missing:
        await make_own_folder(session)
        await session.make_directory(MARKERS, **PRIVATE)
    for each in reversed(missing):
        await session.write(marker_of(each), f"{each}\n".encode(), mode="0600", owner="root", group="root")
        await session.make_directory(each, mode=mode, owner=owner, group=group)


async def remove_made_folders(session: Session, folder: str) -> None:
    """Remove `folder` and those above it, as far as Hearth made them and nothing is in them."""
    while folder and await session.stat(marker_of(folder)) is not None:
        if not await remove_if_empty(session, folder):
            break
        await session.remove(marker_of(folder))
        folder = folder.rpartition("/")[0]
    await remove_if_empty(session, MARKERS)


async def remove_if_empty(session: Session, folder: str) -> bool:
    """Return whether there is no such folder any more."""
    try:
        await session.remove(folder)
    except HearthError:
        return False
    return True
