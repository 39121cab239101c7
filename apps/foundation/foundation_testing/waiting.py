"""Waiting in tests until something holds: asked again and again, until a time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(what: Callable[[], Found], seconds: float, otherwise: Callable[[], str], pause: float = 0.05) -> Found:
    """Ask until the answer is true, and return it. Raises AssertionError with what `otherwise` says after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds:g} s: {otherwise()}")
        time.sleep(pause)
    return found


async def wait_until_async(
    what: Callable[[], Awaitable[Found]], seconds: float, otherwise: Callable[[], str], pause: float = 0.05
) -> Found:
    """Ask as `wait_until` does, while other tasks go on."""
    end = time.monotonic() + seconds
    while not (found := await what()):
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds:g} s: {otherwise()}")
        await asyncio.sleep(pause)
    return found
