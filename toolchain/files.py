"""Small file work that must not be half done. Standard library only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
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


class Busy(Exception):
    """Somebody else holds a lock; the text says who, as they wrote it down."""


def hold(lock: Path, who: str) -> int:
    """Hold a lock until this process ends, also after it has become another program.

    Closing the descriptor that is returned lets go of it. `who` is told to those who come too late.

    A record lock (fcntl(2)): it goes over to what `exec` makes of the process, and to none of its children, so that
    a helper that outlives it holds nobody up. Raises Busy at once where another process has it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        said = os.pread(descriptor, 500, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Busy(said or "another process") from None
    except OSError:  # a file system without locks: the engine's own has to do
        return descriptor
    with suppress(OSError):  # a full disk: who it is stays untold
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, who.encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor
