"""How addresses of machines are compared. Standard library only."""

from __future__ import annotations

import functools
from ipaddress import ip_address


@functools.lru_cache
def canonical(address: str) -> str:
    """Return a host name or an address in the one form that all its ways of writing share, to compare it."""
    try:
        found = ip_address(address.lower())
        return str(getattr(found, "ipv4_mapped", None) or found)
    except ValueError:
        return address.lower().removesuffix(".")
