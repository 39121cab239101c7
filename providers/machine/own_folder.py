"""Where Hearth keeps its own on a machine, for as long as it manages anything there."""

from __future__ import annotations

from typing import TypedDict

from providers.machine.session import Session


class Private(TypedDict):
    """Attributes of a folder that root alone may look into."""

    mode: str
    owner: str
    group: str


OWN_FOLDER = "/var/lib/hearth"
"""Records of what was there before, and kinds' notes. It goes when the last of them has gone."""

PRIVATE: Private = {"mode": "0700", "owner": "root", "group": "root"}


async def make_own_folder(session: Session) -> None:
    """Make it where it is missing."""
    await session.make_directory(OWN_FOLDER, **PRIVATE)
