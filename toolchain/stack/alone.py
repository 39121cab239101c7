"""One `up` or `down` of a stack at a time. Standard library only.

The engine locks a stack as well, later, and its words are advice to cancel the other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.locks import Busy, hold

if TYPE_CHECKING:
    from pathlib import Path


def hold_stack(lock: Path, stack: str, verb: str) -> int:
    """Hold a stack by a file for as long as this process, and what it becomes, is at work on it.

    Gives the descriptor, which may be closed earlier. Raises ToolchainError where somebody else is at work on it.
    """
    try:
        return hold(lock, f"`{verb}`, pid {os.getpid()}")
    except Busy as error:
        raise ToolchainError(
            f"Somebody is at work on the stack {stack} already: {error}. Nothing was changed. Wait for it to end, or "
            "have it end in its own way (Ctrl-C where it runs, or kill -INT and its pid), then try again."
        ) from None
