"""Under which names the application answers: a page of another site must not make its own name lead here.

A browser takes what an attacker's name leads to for that attacker's site (DNS rebinding): once it leads to this
machine, the site's scripts could read our pages and their forms' tokens. The name that the browser asked for is in the
header Host, so what was asked for under another name than ours is not answered. An address written out is nobody's
name: it is let in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.logs import get_logger

LOCAL = ("localhost", "*.localhost")
"""Names that lead nowhere but to the machine itself (RFC 6761, 6.3)."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


def host_of(value: str) -> str | None:
    """Return the name or address in a header Host, without port, capitals, brackets and the dot at its end.

    None where there is none.
    """
    match = _HOST.fullmatch(value)
    if match is None or int(match[2] or "0") > 65535:
        return None
    name = match[1].lower()
    if name.startswith("["):
        return str(_address(name[1:-1])) if ":" in name and _address(name[1:-1]) else None
    name = name.removesuffix(".")
    return name if name and not name.startswith(".") and ".." not in name and not name.endswith(".") else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def read_names(text: str) -> tuple[str, ...]:
    """Return the names as ALLOWED_HOSTS has them, separated by commas or blanks. Raises ValueError for what is none."""
    found: list[str] = []
    for given in text.replace(",", " ").split():
        name = given.lower().removesuffix(".")
        if not _NAME.fullmatch(name) and _address(name.strip("[]")) is None:
            raise ValueError(
                f"holds {given[:80]!r}, which is no host's name; write names alone, without http:// and port, "
                "as pi.local or *.example.org"
            )
        found.append(name)
    return tuple(dict.fromkeys(found))


def is_allowed(host: str, names: Sequence[str]) -> bool:
    """Whether `host`, as `host_of` returns it, is one of the names, below one that begins with `*.`, or an address."""
    # Browsers write addresses in the usual form: 2130706433 or 0x7f.1 is a name like any other here.
    if _address(host) is not None:
        return True
    return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in names)


def asked_for(headers: Headers) -> list[str] | None:
    """Return every name under which a request was sent: by Host, and as a proxy before us passes on.

    None without one Host.
    """
    direct = headers.getlist("host")
    if len(direct) != 1:
        return None
    passed_on = [part.strip() for value in headers.getlist("x-forwarded-host") for part in value.split(",")]
    for value in headers.getlist("forwarded"):
        passed_on += re.findall(r"""(?i)(?:^|[;,\s])host\s*=\s*"?([^",;\s]*)""", value)
    return [*direct, *passed_on]


class AllowedHosts:
    """Answers 421 to who asked for another name than ours, and 400 where that can't be told."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app, self._names = app, (*LOCAL, *names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        given = asked_for(headers)
        hosts = [host_of(value) for value in given or [""]]
        if None in hosts:
            return PlainTextResponse("Which host this is for can't be told from its header Host.\n", 400)
        for host in hosts:
            if host is not None and not is_allowed(host, self._names):
                get_logger().warning("host_refused", host=host[:253])
                return PlainTextResponse(
                    f"This application does not answer to the name {quote(host[:253])}.\n"
                    "If it is one of its names: add it to ALLOWED_HOSTS.\n",
                    421,
                )
        return None
