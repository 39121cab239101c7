"""What the tests of the engine share: a cache of their own, scripts that stand for programs, and silence."""

from __future__ import annotations

from pathlib import Path

import pytest


def silent(text: str) -> None:
    """Take what is said, and drops it."""


def script(path: Path, text: str) -> Path:
    """Return an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
