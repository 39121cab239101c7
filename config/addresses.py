"""Where something answers: host names, IP addresses and addresses of HTTP, as settings and other texts write them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from toolchain.addresses import canonical

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NUMBER_LAST = re.compile(r"(?i)(^|\.)([0-9]+|0x[0-9a-f]*)\.?$")
"""What programs read as an IPv4 address in one of its odd forms, as 127.1 and 0x7f.1: URL standard, 3.5."""
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def host_address(value: str) -> str:
    """Return a host name or an IP address, and nothing else: no port, no user, no brackets. Raises ValueError."""
    rule = "must be a host name or an IP address and nothing else; give port and user as keys of their own"
    if ":" in value:
        try:
            address = IPv6Address(value)
        except ValueError:
            raise ValueError(rule) from None
        if address.scope_id is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", address.scope_id):
            raise ValueError(rule)
        _one_machine(address)
        return value
    if len(value) > 253 or not _HOST.fullmatch(value):
        raise ValueError(rule)
    if _NUMBER_LAST.search(value):
        try:
            address = IPv4Address(value)
        except ValueError:
            raise ValueError("must be an IP address of four numbers up to 255; write it as 192.168.1.5") from None
        _one_machine(address)
    return value


def _one_machine(address: IPv4Address | IPv6Address) -> None:
    """Raise ValueError for an address at which no one machine is: every address, a group of machines, none at all."""
    nobodys = address.version == 4 and (address.is_reserved or address in _THIS_NETWORK)
    if address.is_unspecified or address.is_multicast or nobodys:
        raise ValueError("must be the address of one machine, and this one is no machine's; write its own")


Address = Annotated[str, AfterValidator(host_address)]
"""Where a machine is: a name or an address."""


def socket_address(value: str) -> str:
    """Return a host, and a port behind a colon where it has one; an IPv6 address in brackets. Raises ValueError."""
    found = re.fullmatch(r"(\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+))(:(?P<port>[1-9][0-9]{0,4}))?", value)
    rule = "must be an address, with its port behind a colon where it has one; write it as 192.168.49.2:80"
    if found is None or (found["six"] and ":" not in found["six"]) or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError(rule)
    host_address(found["six"] or found["host"])
    return value


def _written_address(value: Any) -> Any:
    """Python would take a number for an address, and true for 0.0.0.1."""
    if not isinstance(value, str | IPv4Address | IPv6Address):
        raise ValueError("must be an IP address; write it in quotes, as '127.0.0.1'")
    return value


def _publishable(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if getattr(value, "scope_id", None) is not None or getattr(value, "ipv4_mapped", None) is not None:
        raise ValueError("must be an address without a zone; write the address alone")
    if value.version == 6 and value.is_link_local:
        raise ValueError(
            "must be an address that says by itself which network it is in, and fe80:: is in each; write another of "
            "the machine's"
        )
    if (
        value.is_multicast
        or (value.version == 4 and value.is_reserved)
        or (not value.is_unspecified and value in _THIS_NETWORK)
    ):
        raise ValueError("must be an address that a machine can have; write one of its own, or 0.0.0.0 for all")
    return value


class _Network:
    """0.0.0.0/8 but for its first address, which stands for all."""

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        return address.version == 4 and int(address) >> 24 == 0


_THIS_NETWORK = _Network()
IpAddress = Annotated[IPv4Address | IPv6Address, BeforeValidator(_written_address), AfterValidator(_publishable)]
"""An address of a machine, of either version, to publish on."""


def overlap(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> bool:
    """Return whether a port on both addresses of a machine would be one port twice: `0.0.0.0` is all of its version."""
    return one == other or (one.version == other.version and (one.is_unspecified or other.is_unspecified))


def _apart(addresses: tuple[Any, ...]) -> tuple[Any, ...]:
    for position, address in enumerate(addresses):
        for other in addresses[:position]:
            if overlap(address, other):
                raise ValueError(f"must not overlap, and {other} and {address} do; remove one of them")
    return addresses


IpAddresses = Annotated[tuple[IpAddress, ...], AfterValidator(_apart)]
"""Addresses of one machine to publish a port on."""


def _http_address(value: str) -> str:
    rule = "must be an address of http or https without a user; write it as http://192.168.1.5:11434"
    if not re.fullmatch(
        r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~/-]*)?", value
    ):
        raise ValueError(rule)
    parts = urlsplit(value)
    try:
        host_address(parts.hostname or "")
        right = parts.port is None or parts.port > 0
    except ValueError:
        right = False
    if not right:
        raise ValueError(rule)
    return value


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address leads back to whoever asks it."""
    name = canonical(host.strip("[]"))
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _from_a_container(value: str) -> str:
    if is_loopback(urlsplit(value).hostname or ""):
        raise ValueError(
            "must not be a loopback address, which in a container is the container itself; write the address by which "
            "other machines reach that server"
        )
    return value


HttpAddress = Annotated[str, AfterValidator(_http_address)]
"""Where a server of HTTP answers; nothing secret in it."""
HttpAddressFromContainer = Annotated[HttpAddress, AfterValidator(_from_a_container)]
"""The same, for a program that asks from within a container."""


def bracketed(address: str | IPv4Address | IPv6Address) -> str:
    """Return an IPv6 address in brackets (RFC 3986, section 3.2.2); an IPv4 address or a name as it is."""
    text = str(address)
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def asked_at(address: str | IPv4Address | IPv6Address) -> str:
    """Return where a machine itself asks what is published on an address: "every address" is none that one can ask."""
    text = str(address)
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(text, text)
