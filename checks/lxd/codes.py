"""Exit codes of the checks of this system; its page (docs/systems/lxd.md) says the same."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a failed check means. What every system has is in checks/result.py."""

    CLUSTER = 1
    """The cluster or a member does not answer."""
    CONFIGURATION = 3
    """A part that is not as configured."""
    NOT_RUNNING = 4
    """Configured, and yet not running or not answering."""
