"""How an address stands before a port or a path in another text: in URLs, published ports, mounts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address


def bracketed(address: str | IPv4Address | IPv6Address) -> str:
    """Return an IPv6 address in brackets (RFC 3986, section 3.2.2); an IPv4 address or a name as it is."""
    text = str(address)
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def asked_at(address: str | IPv4Address | IPv6Address) -> str:
    """Return where a machine itself asks what is published on an address: "every address" is none that one can ask."""
    text = str(address)
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(text, text)
