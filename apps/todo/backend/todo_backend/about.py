"""Where the application's files are, and which version it is."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
SERVICE = "todo-backend"


@cache
def version() -> str:
    """The version, as pyproject.toml beside the package says."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
