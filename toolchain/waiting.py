"""Waiting until something holds: asked again and again, until a time is over. Standard library only.

Everything of ours waits by these two, but for what runs on a managed machine: it is sent there alone (the worker, a
component's programs).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Found = TypeVar("Found")
PAUSE_SECONDS = 0.2


def wait_until(
    what: Callable[[], Found],
    seconds: float,
    otherwise: Callable[[Found], Found],
    *,
    good: Callable[[Found], bool] = bool,
    pause: float = PAUSE_SECONDS,
) -> Found:
    """Ask `what` until its answer is good (true, unless told), and return that answer.

    After `seconds` the last answer goes to `otherwise`, which raises, or says what is returned in its stead. `what` is
    asked once at least, and again `pause` seconds after each answer.
    """
    end = time.monotonic() + seconds
    while not good(found := what()):
        if time.monotonic() >= end:
            return otherwise(found)
        time.sleep(pause)
    return found


async def wait_until_async(
    what: Callable[[], Awaitable[Found]],
    seconds: float,
    otherwise: Callable[[Found], Found],
    *,
    good: Callable[[Found], bool] = bool,
    pause: float = PAUSE_SECONDS,
) -> Found:
    """Ask as `wait_until` does, while other tasks go on."""
    end = time.monotonic() + seconds
    while not good(found := await what()):
        if time.monotonic() >= end:
            return otherwise(found)
        await asyncio.sleep(pause)
    return found


def as_it_is(found: Found) -> Found:
    """Return the last answer itself, for `otherwise`: that it is not good is no error."""
    return found
