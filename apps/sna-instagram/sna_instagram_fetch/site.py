"""Which hosts are the site's, and which addresses may be asked for them: pure functions, the one place of the rule."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

# Pages and the API; pictures and videos. Subdomains belong to them.
DOMAINS = ("instagram.com", "cdninstagram.com", "fbcdn.net")

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotTheSites(ValueError):
    """An address that is not one of the site's own, and why."""


def is_site_host(host: str) -> bool:
    """Is this plain ASCII name one of the site's? Names in Unicode, IP addresses and names with a last dot are not."""
    host = host.lower()
    if not _HOST.fullmatch(host):
        return False
    return any(host == domain or host.endswith("." + domain) for domain in DOMAINS)


def check_url(url: str) -> str:
    """Return the address itself, if it may be fetched.

    That is https, a host of the site's, port 443, no user, no odd characters.

    Raises NotTheSites.
    """
    if not url.isascii() or re.search(r"[\s\\\x00-\x20\x7f]", url):
        raise NotTheSites(f"{url[:200]!r} holds characters that no address has: it is not fetched")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotTheSites(f"{url[:200]!r} is no address ({error}): it is not fetched") from error
    if parts.scheme != "https":
        raise NotTheSites(f"{url[:200]!r} is not https: it is not fetched")
    if "@" in parts.netloc:
        raise NotTheSites(f"{url[:200]!r} names a user: it is not fetched")
    if port not in (None, 443):
        raise NotTheSites(f"{url[:200]!r} names port {port}: only 443 is the site's")
    if not is_site_host(parts.hostname or ""):
        raise NotTheSites(f"{parts.hostname!r} is not one of the site's hosts ({', '.join(DOMAINS)})")
    return url


def is_public_address(text: str) -> bool:
    """May this IP address be the site's? Not if it is private, loopback, link-local or reserved, or wraps one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public_address(str(inner))
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
