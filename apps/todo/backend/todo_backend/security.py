"""What stands before every address: where a request may come from, and what it may bring."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.headers import LARGEST_BODY, TOO_MUCH, BodyLimit
from todo_backend.errors import answer

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
DEFAULT_PORTS = {"http": 80, "https": 443}
INTERNAL = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""Networks that are nobody's on the internet: RFC 1918, 6598, 4193, and each machine's own."""

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The answers' Content-Security-Policy: they are JSON, and no page."""


def is_https(headers: Headers, scheme: str) -> bool:
    """Return whether the visitor came by https; the proxy before us ends it, and says so."""
    forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return (forwarded or scheme) == "https"


def client_address(headers: Headers, peer: str, proxies: int | Literal["auto"]) -> str:
    """Return the visitor's address, as the outermost of our own proxies saw it. What a visitor claims is further left.

    `auto` takes whoever has an address of an internal network for a proxy: an ingress controller, and a balancer before
    it. Where nobody else is named, the visitor is in that network too, or the balancer hides everybody (`is_internal`).
    """
    claimed = [part.strip() for value in headers.getlist("x-forwarded-for") for part in value.split(",")]
    known = [part[:64] for part in claimed if part]
    if proxies == 0 or not known:
        return peer
    if proxies == "auto":
        return next((part for part in reversed(known) if not is_internal(part)), known[-1])
    return known[max(0, len(known) - proxies)]


def is_internal(address: str) -> bool:
    """Return whether an address may stand for many visitors: an internal network's, as a balancer's is."""
    # Some write the port too, and IPv6 in brackets then.
    bare = address[1:].partition("]")[0] if address.startswith("[") else address
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in INTERNAL if network.version == plain.version)


def _same_host(origin: str, headers: Headers) -> bool:
    """Return whether `origin` (a value of Origin or Referer) names the host that the request was sent to."""
    try:
        parts = urlsplit(origin)
        given = (parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme))
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            return False
        # A page of another origin can't set X-Forwarded-Host: that needs a preflight, which nobody here answers.
        for host in (headers.get("host", ""), headers.get("x-forwarded-host", "")):
            target = urlsplit(f"//{host}")
            if host and (target.hostname, target.port or DEFAULT_PORTS[parts.scheme]) == given:
                return True
    except ValueError:
        return False
    return False


def refusal(method: str, headers: Headers) -> tuple[int, str] | None:
    """Return why a request is refused whatever it asks: a status and a sentence. None where it is not."""
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > LARGEST_BODY):
        return 413, TOO_MUCH
    if method in SAFE_METHODS:
        return None
    # Origin comes first. A browser sends it with every such request; what is no browser may send neither.
    origin = headers.get("origin", headers.get("referer"))
    if origin is not None and not _same_host(origin, headers):
        return 403, "This request comes from a page of another site, so nothing was done."
    has_body = length != "0" or "transfer-encoding" in headers
    if has_body and headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return 415, "The body has to be JSON, with the content type application/json."
    return None


class Gate:
    """Refuses what `refusal` names, and a body over LARGEST_BODY bytes whatever its header says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = BodyLimit(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        status, detail = refused
        # What was not read of the body can't be told from the next request.
        await answer(status, detail, headers={"Connection": "close"})(scope, receive, send)
