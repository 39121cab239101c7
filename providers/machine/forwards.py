"""Sockets on this computer that lead to TCP ports as a machine sees them, through its SSH connection.

A Unix socket in a folder that only its owner may enter, and not a port: anybody on this computer could connect to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from config.addresses import bracketed
from providers.errors import ConnectionLost, NotAnswering
from providers.machine.refusals import dropped
from providers.machine.ssh_library import asyncssh

FORBIDDEN = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED of RFC 4254, section 5.1."""


class Forwards:
    """The forwards of one machine's connections, each made when first asked for."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._folder: Path | None = None
        self._listeners: dict[tuple[str, int], tuple[asyncssh.SSHClientConnection, asyncssh.SSHListener, Path]] = {}
        self._making = asyncio.Lock()
        self._number = 0

    async def socket(self, ssh: asyncssh.SSHClientConnection, host: str, port: int, timeout: float) -> Path:
        """Return the socket that leads to `port` of `host`; `timeout` is in seconds.

        Raises NotAnswering where nothing accepts a connection there, or sshd forwards none; ConnectionLost.
        """
        await self._try(ssh, host, port, timeout)
        async with self._making:
            known = self._listeners.get((host, port))
            if known is not None and known[0] is ssh:
                return known[2]
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="hearth-"))  # mode 0700
            self._number += 1
            path = self._folder / str(self._number)
            listener = await ssh.forward_local_path_to_port(str(path), host, port)
            self._listeners[host, port] = (ssh, listener, path)
            return path

    async def _try(self, ssh: asyncssh.SSHClientConnection, host: str, port: int, timeout: float) -> None:
        """Connect once: who later connects to the socket is only told that it was closed, and not why."""
        where = f"{bracketed(host)}:{port}"
        try:
            opened = await asyncio.wait_for(_opened(ssh, host, port), timeout)
        except asyncssh.ChannelOpenError as error:
            if await dropped(ssh):
                raise ConnectionLost(f"the connection to {self._label} has dropped") from None
            forbidden = error.code == FORBIDDEN
            raise NotAnswering(
                f"{self._label} does not forward connections over SSH, so {where} can't be reached"
                if forbidden
                else f"nothing answers at {where}, as seen from {self._label}",
                detail=str(error),
                remedy="allow it in its sshd_config (AllowTcpForwarding local, no PermitOpen that leaves this out)"
                if forbidden
                else "see whether the service runs there (systemctl status), and whether its address is the one in"
                " the settings",
            ) from None
        except TimeoutError:
            raise NotAnswering(
                f"{where} did not accept a connection within {timeout:.0f} s, as seen from {self._label}",
                remedy="see whether a firewall is between them, and whether the address is the one in the settings",
            ) from None
        with contextlib.suppress(OSError, asyncssh.Error):
            opened[1].close()

    def close(self) -> None:
        """Let go of every socket, and remove their folder."""
        for _, listener, _ in self._listeners.values():
            listener.close()
        self._listeners.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


async def _opened(ssh: asyncssh.SSHClientConnection, host: str, port: int) -> tuple[Any, Any]:
    """Reader and writer of a connection from the machine to a port."""
    return await cast(Any, ssh).open_connection(host, port)
