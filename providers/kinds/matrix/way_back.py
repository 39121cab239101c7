"""The way back of what is in maubot: what can't go is left with a word about it, and the rest of a destroy goes on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from providers.errors import HearthError, NotAnswering
from providers.machine.session import Session

IN_USE = ("plugin_in_use", "client_in_use")
"""maubot's words for what others' instances hold: those of its web page, or that came with a backup."""


@contextmanager
def what_can_not_go_stays(session: Session, what: str) -> Generator[None]:
    """Turn a maubot that does not answer, and one that still uses the thing, into a warning that says what stays."""
    try:
        yield
    except HearthError as error:
        # By its code: maubot's client is loaded where it is used only.
        if not isinstance(error, NotAnswering) and getattr(error, "code", "") not in IN_USE:
            raise
        session.warn(f"{what} stays in maubot: {error.summary}" + (f"; {error.remedy}" if error.remedy else ""))
