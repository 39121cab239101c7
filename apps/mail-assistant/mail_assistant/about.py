"""Where the application's files are, and which version it is."""

from __future__ import annotations

from pathlib import Path

from foundation import about

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
SERVICE = "mail-assistant"


def version() -> str:
    """Return the version, as pyproject.toml beside the package says."""
    return about.version(ROOT)
