"""Exit codes of the checks of this system; its page (docs/systems/todo.md) says the same."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a failed check means. What every system has is in checks/result.py."""

    CONFIGURATION = 3
    """An object of the cluster, or a setting of one."""
    NOT_RUNNING = 4
    """Configured, and yet not running or not answering in time."""
