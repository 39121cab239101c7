"""What the toolchain says when it can't go on."""

from __future__ import annotations


class ToolchainError(RuntimeError):
    """Stops the command; its text is all that the user sees, and says what to do."""


class UnavailableError(ToolchainError):
    """One way to get the engine is closed here; the next one is tried."""
