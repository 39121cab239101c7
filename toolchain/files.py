"""Small file work that must not be half done. Standard library only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str, mode: int) -> bool:
    """Write a file in one step, if it differs, and return whether it did."""
    if path.is_file() and not path.is_symlink():
        same_mode = path.stat().st_mode & 0o777 == mode
        if same_mode and path.read_text() == content:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True
