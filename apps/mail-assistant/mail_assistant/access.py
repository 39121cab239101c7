"""Who may see the pages: whoever knows the password, where there is one.

By default there is none where nobody but the machine itself can come, and one is needed elsewhere (config.Settings).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import HTTPException
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "mail_assistant_session"
SIGNED_IN_SECONDS = 30 * 24 * 3600
PAUSE_SECONDS = 0.2
"""Each password that is tried takes so long, one after the other: five guesses a second, whoever makes them."""
MOST_WAITING = 25
"""Who comes while so many passwords wait for their turn is sent away. Who is signed in needs no turn."""
OPEN = ("/health", "/health/ready", "/sign-in")
"""What probes ask, and where one signs in."""
OPEN_BELOW = "/static/"
SENTENCE = "Sign in first."


class Access:
    """The password, and the cookies of those who have given it: a cookie holds until its day, or another password."""

    def __init__(self, password: SecretStr | None, key: SecretStr) -> None:
        self._password = password.get_secret_value() if password else None
        # Signed with both: who changes the password signs everybody out.
        self._key = hashlib.sha256(f"{key.get_secret_value()}\0{self._password}".encode()).digest()
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_open(self) -> bool:
        """Whether there is no password to give."""
        return self._password is None

    async def is_right(self, given: str) -> bool:
        """Return whether this is the password. Raises 429 while too many are tried."""
        if self._password is None:
            return True
        if self._waiting >= MOST_WAITING:
            raise HTTPException(429, "Too many passwords are tried at this moment. Try again.", {"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(PAUSE_SECONDS)
            return hmac.compare_digest(given.encode(errors="replace"), self._password.encode())
        finally:
            self._waiting -= 1

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, f"session:{text}".encode(), hashlib.sha256).hexdigest()

    def cookie(self) -> str:
        """Return a new cookie's value."""
        text = f"{int(time.time()) + SIGNED_IN_SECONDS}.{secrets.token_hex(16)}"
        return f"{text}.{self._signature(text)}"

    def is_signed_in(self, cookies: Mapping[str, str]) -> bool:
        """Return whether one of these cookies is ours and still holds; always, where there is no password."""
        if self.is_open:
            return True
        match = re.fullmatch(r"(([0-9]{1,12})\.[0-9a-f]{32})\.([0-9a-f]{64})", cookies.get(COOKIE, ""), re.ASCII)
        if match is None or not hmac.compare_digest(match[3], self._signature(match[1])):
            return False
        return int(match[2]) > time.time()


def place(given: str) -> str:
    """Return where to go on to after signing in: a page of ours, whatever was asked for."""
    return given if re.fullmatch(r"(/[A-Za-z0-9_-]+)*/?", given, re.ASCII) and given else "/"


def _given_by_program(headers: Headers) -> str | None:
    """Return the password in a header Authorization as programs send it (RFC 7617), whatever the user.

    None without one.
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class SignedIn:
    """Lets pass who is signed in; a browser is led to the page for it, a program gets 401."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            answer = self._app if await self._may_pass(Request(scope)) else _lead(Request(scope))
        except HTTPException as refusal:
            answer = JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
        await answer(scope, receive, send)

    async def _may_pass(self, request: Request) -> bool:
        path = request.url.path
        if path in OPEN or path.startswith(OPEN_BELOW) or self._access.is_signed_in(request.cookies):
            return True
        given = _given_by_program(request.headers)
        return given is not None and await self._access.is_right(given)


def _lead(request: Request) -> Response:
    path = place(request.url.path)
    target = "/sign-in" if path == "/" else f"/sign-in?next={quote(path)}"
    if request.headers.get("HX-Request"):
        # htmx: leave the page.
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(target, 303)
    return JSONResponse({"detail": SENTENCE}, 401, {"WWW-Authenticate": 'Basic realm="Mail assistant"'})
