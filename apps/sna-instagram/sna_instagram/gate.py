"""The gate: the one way from this plugin to the outside. An HTTP proxy on loopback that knows nothing but CONNECT.

Both libraries, what they follow by themselves (redirects), and the plugin's own downloads go through it, so that the
rule of site.py holds for all of them: only the site's hosts, only port 443, and only public IP addresses behind their
names. A name is looked up here, once, and that very address is connected to: a name that answers differently the second
time gains nothing. Names are not looked up where a proxy is set: that proxy does it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

from sna_instagram_fetch.site import is_public_address, is_site_host

Resolve = Callable[[str], Awaitable[list[str]]]

_HEAD_BYTES = 16 * 1024
_HEAD_SECONDS = 10


class Refused(Exception):
    """Not let through. The first line says why."""


async def resolve(host: str) -> list[str]:
    """Return the IP addresses of a name, in the order in which the system would try them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Gate:
    """`upstream` is the proxy of the settings, or empty. `url` is what the libraries are given; it holds a password."""

    def __init__(self, log: logging.Logger, upstream: str = "", resolver: Resolve = resolve) -> None:
        self._log = log
        self._upstream = upstream
        self._resolve = resolver
        self._password = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a port of loopback that is free."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_BYTES)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://gate:{self._password}@127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            # Only `stop` cancels. asyncio.streams would log it as an error.
            pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            self._log.debug("gate: %s: %s", type(error).__name__, error)
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        try:
            host = self._target(head)
            outside = await self._connect(host)
        except Refused as refused:
            self._log.warning("gate: %s", refused)
            await _say(writer, "403 Forbidden", str(refused))
            return
        except (OSError, TimeoutError) as error:
            await _say(writer, "502 Bad Gateway", f"{type(error).__name__}: {error}")
            return
        out_reader, out_writer = outside
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            # TLS knows no half-closed connection: when one side has ended, so has the other.
            pumps = [asyncio.create_task(pump) for pump in (_pump(reader, out_writer), _pump(out_reader, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
        finally:
            out_writer.close()

    def _target(self, head: str) -> str:
        """Return the host that a request's head asks for. Raises Refused."""
        line, *fields = head.split("\r\n")
        method, _, rest = line.partition(" ")
        given = next(
            (
                value.strip()
                for name, _, value in (field.partition(":") for field in fields)
                if name.lower() == "proxy-authorization"
            ),
            "",
        )
        wanted = "Basic " + base64.b64encode(f"gate:{self._password}".encode()).decode()
        if not hmac.compare_digest(given.encode("latin-1"), wanted.encode()):
            raise Refused("a request without the gate's password: not from this plugin")
        if method != "CONNECT":
            raise Refused(f"{method[:20]!r} without TLS: only https is let through")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        if port != "443":
            raise Refused(f"port {port[:10]!r} of {host[:100]!r}: only 443 is the site's")
        if not is_site_host(host):
            raise Refused(f"{host[:100]!r} is not one of the site's hosts")
        return host.lower()

    async def _connect(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream:
            return await _through(self._upstream, host)
        addresses = await self._resolve(host)
        public = [address for address in addresses if is_public_address(address)]
        if not public:
            raise Refused(f"{host} is at {', '.join(addresses) or 'no address'}, which is not public: not connected to")
        last: OSError | None = None
        for address in public[:3]:
            try:
                async with asyncio.timeout(3):
                    return await asyncio.open_connection(address, 443)
            except OSError as error:
                last = error
        raise last or OSError(f"{host} can't be reached")


async def _through(proxy: str, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the host by way of the proxy of the settings."""
    parts = urlsplit(proxy)
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_HEAD_BYTES)
        fields = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fields = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n{fields}\r\n".encode("latin-1"))
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            writer.close()
            raise OSError("the proxy of the settings closed the connection without an answer") from error
    if head.split(" ")[1:2] != ["200"]:
        writer.close()
        raise OSError(f"the proxy of the settings answered {head.splitlines()[0][:100]!r}")
    return reader, writer


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on until the reader's side ends."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(64 * 1024):
            writer.write(chunk)
            await writer.drain()


async def _say(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = why.encode()
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    with contextlib.suppress(OSError):
        await writer.drain()
