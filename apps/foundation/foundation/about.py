"""Which version an application is."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


@cache
def version(root: Path) -> str:
    """Return the version, as the pyproject.toml in `root` says."""
    with (root / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
