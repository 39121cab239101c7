"""Small file work that must not be half done. Standard library only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


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


@contextmanager
def exclusive(lock: Path, say: Callable[[str], None]) -> Generator[None]:
    """Hold a lock that goes with the process, so that two at the same work wait for each other."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that holds {lock}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
