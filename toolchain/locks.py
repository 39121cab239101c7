"""One at a time: the lock that processes of this machine hold against each other. Standard library only."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import socket
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class LockHeldError(ToolchainError):
    """Another process has held a lock for as long as this one was to wait."""


@contextmanager
def exclusive(lock: Path | str, say: Callable[[str], None], seconds: float = math.inf) -> Generator[None]:
    """Hold a lock that goes with the process, however that ends. Raises LockHeldError after `seconds`.

    A path is a file, which stays (flock(2)): for work in a folder. A text is a name on the whole machine, of which
    nothing stays (an abstract socket, unix(7)).
    """
    with ExitStack() as held:
        take = _file(lock, held) if isinstance(lock, Path) else _name(lock, held)
        if not take():
            say(f"waiting for another process that holds {lock}")

            def give_up(_: bool) -> bool:
                raise LockHeldError(f"another process has held {lock} for {seconds:g} s")

            wait_until(take, seconds, give_up)
        yield


def _file(path: Path, held: ExitStack) -> Callable[[], bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = held.enter_context(path.open("w"))

    def take() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return take


def _name(name: str, held: ExitStack) -> Callable[[], bool]:
    lock = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))

    def take() -> bool:
        try:
            lock.bind(f"\0{name}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True

    return take


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
