"""A way from this machine's loopback address to a port of a lab machine, for as long as a `with` lasts.

Docker speaks to a registry without TLS on the loopback address alone.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

BLOCK = 1 << 18


@contextlib.contextmanager
def to(address: str, port: int) -> Generator[int]:
    """Forward connections to a port of 127.0.0.1, which is given, to another machine's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accept, args=(server, address, port), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # Wakes the thread out of accept(); closing alone would not.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, address: str, port: int) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        try:
            far = socket.create_connection((address, port), timeout=30)
        except OSError:
            near.close()
            continue
        far.settimeout(None)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(BLOCK):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
