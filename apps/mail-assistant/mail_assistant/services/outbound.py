"""Whom the application asks for whoever opens its pages: servers of the internet, and the one that is configured.

Who may change the address of the language model's server must not be able to look around in the network that this
application is in: an address of a private network is asked only where the environment itself names it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""For protocols of the internet itself (RFC 6890): no server of models is there."""
_COMPATIBLE = ipaddress.ip_network("::/96")


class NotAsked(httpx.ConnectError):
    """The address belongs to a private network, and is not the configured one. Nothing was sent."""


def is_public(text: str) -> bool:
    """Whether an address belongs to the internet, as does any IPv4 address that stands for it inside an IPv6 one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False  # with a zone (fe80::1%eth0), say
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:  # fec0::/10, which Python takes for the internet's
            return False
    special = address.is_multicast or address.is_reserved or address in _PROTOCOLS
    return address.is_global and not special


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to: mapped, compatible, 6to4, Teredo, or by NAT64."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port, in one form."""
    return url.scheme, url.host.lower().removesuffix("."), url.port or PORTS.get(url.scheme, 0)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which they are to be tried. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Outbound(httpx.AsyncBaseTransport):
    """Sends to the configured server as it is, and elsewhere only to an address that it has looked at itself.

    The name is resolved once, and the connection goes to what it led to then: another answer a moment later is of no
    use. A name with one private address among its addresses is not asked at all.
    """

    def __init__(
        self, configured: str | None, inner: httpx.AsyncBaseTransport | None = None, resolve: Resolve = resolve
    ) -> None:
        self._configured = origin(httpx.URL(configured)) if configured else None
        self._inner = inner or httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=4))
        self._resolve = resolve

    def is_configured(self, url: httpx.URL) -> bool:
        """Return whether this is the server that the environment names."""
        return origin(url) == self._configured

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raise NotAsked, or what httpx raises where the server does not answer."""
        if self.is_configured(request.url):
            return await self._inner.handle_async_request(request)
        host = request.url.host
        try:
            addresses = await self._resolve(host, origin(request.url)[2])
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("its name is unknown", request=request) from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotAsked("a private address that is not configured", request=request)
        # The header Host stays the name's, and so does the certificate that is asked for.
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in addresses[:-1]:
            request.url = request.url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except httpx.ConnectError:
                continue
        request.url = request.url.copy_with(host=addresses[-1])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._inner.aclose()
