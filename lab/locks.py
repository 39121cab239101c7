"""A lock between processes of this machine that leaves no file behind and dies with its holder."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def machine_lock(name: str, timeout: float = 900) -> Generator[None]:
    """Hold a lock named `name`; wait for `timeout` seconds at most, then raise LabError.

    It is an abstract socket (unix(7)): the kernel releases it when the process ends, however that happens.
    """
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        while True:
            try:
                lock.bind(f"\0hearth-lab-{name}")
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"Another process has held the lab's lock {name!r} for {timeout:g} s; two at once would "
                        "spoil each other's work. Nothing was made. Wait for it, or end it, and try again."
                    ) from error
                time.sleep(0.2)
        yield
