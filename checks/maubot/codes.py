"""Exit codes of the checks of this system; its page (docs/systems/maubot.md) says the same."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a failed check means. What every system has is in checks/result.py."""

    ACCOUNT = 2
    """A bot's account."""
    CONFIGURATION = 3
    """A setting of the service."""
    NOT_RUNNING = 4
    """Configured, and yet not running or not answering."""
    RECORD = 5
    """It works now, and in the days behind it answered too seldom or too late, or took too long to be back."""
