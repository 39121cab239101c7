"""Errors of the provider: each says what was tried, what answered, what follows and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from toolchain.lines import lines_in


class HearthError(RuntimeError):
    """Something that a person has to read. `str()` of it is the whole message; no traceback is ever shown.

    `summary` is one line; `detail` is what the machine said (the last lines of stderr, say); `remedy` is what to do.
    """

    def __init__(self, summary: str, *, detail: str = "", remedy: str = "") -> None:
        self.summary = summary
        self.detail = detail.strip()
        self.remedy = remedy
        super().__init__(summary)

    def __str__(self) -> str:
        parts = [self.summary]
        if self.detail:
            parts.append("\n".join(f"  | {line}" for line in lines_in(self.detail)[-12:]))
        if self.remedy:
            parts.append(f"  What to do: {self.remedy}")
        return "\n".join(parts)


class Untouched(HearthError):
    """What is asked for was not begun, and nothing was changed: the one kind of error that may say so.

    A creation that ends with it has made nothing, and leaves nothing behind: no resource, no record.
    """

    def after_a_change(self) -> HearthError:
        """Return the error that it is where something had been changed all the same, without saying otherwise."""
        summary = re.sub(r"[;,.]? *(and |so )?nothing was (changed|touched)\b", "", self.summary, flags=re.IGNORECASE)
        return NotConverged(summary, detail=self.detail, remedy=self.remedy)


class InvalidInput(Untouched, ValueError):
    """A resource asks for something that can't be, as it is or on that machine."""


class CouldNotLook(HearthError):
    """What is there could not be asked: nothing is known of it, and it counts neither as gone nor as wished."""


class OperationRefused(HearthError):
    """One operation that a machine does not carry out, and that changed nothing there: the reason is known."""


@contextmanager
def as_a_whole() -> Generator[None]:
    """Take the refusal of an operation for what it is where it is all that was asked for: nothing was changed."""
    try:
        yield
    except OperationRefused as error:
        raise InvalidInput(error.summary, detail=error.detail, remedy=error.remedy) from None


class CommandFailed(HearthError):
    """A command on a machine ended with a status that was not expected."""

    def __init__(self, summary: str, *, status: int, detail: str = "", remedy: str = "") -> None:
        super().__init__(summary, detail=detail, remedy=remedy)
        self.status = status


class DeadlineExceeded(HearthError, TimeoutError):
    """An operation took longer than it may."""


class GivenUp(Untouched, DeadlineExceeded):
    """What had to be waited for first did not come, so nothing was begun."""


class NotAnswering(HearthError, ConnectionError):
    """A service on a machine, or one that is reached from there, accepts no connection."""


class NotConverged(HearthError):
    """Everything ran, and yet the machine is not as it was asked to be."""


class ConnectionFailed(HearthError, ConnectionError):
    """A machine can't be reached, or won't let us in. Trying again at once would answer the same."""

    machine = ""
    """The machine, as messages name it: what concerns all its resources is said once."""


class ConnectionLost(HearthError, ConnectionError):
    """A connection that worked has dropped. The operation may be tried again: apply may run twice."""

    machine = ""
