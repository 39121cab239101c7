"""Exit codes of the checks of this system; its page (docs/systems/secondbrain.md) says the same."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a failed check means, after the contract of its task list. What every system has is in checks/result.py."""

    PREREQUISITES = 1
    """Something that all the rest needs is missing."""
    ACCOUNT = 2
    CONFIGURATION = 3
    """An image, a unit or a setting of the pod."""
    NOT_RUNNING = 4
    """Configured, and yet not running or not answering in time."""
    SHARE = 5
