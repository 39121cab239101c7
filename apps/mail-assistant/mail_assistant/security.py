"""What protects a user's browser and the application: forms' tokens, headers, and a limit on what is sent."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "mail_assistant_csrf"
FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
LARGEST_BODY = 64 * 1024

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _signature(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), f"csrf:{nonce}".encode(), hashlib.sha256).hexdigest()


class FormToken:
    """The token of one visitor's forms: a random number in a cookie, and its signature in the form."""

    def __init__(self, request: Request) -> None:
        self._secret = request.app.state.settings.secret_key.get_secret_value()
        known = request.cookies.get(COOKIE, "")
        self.is_new = not (len(known) == 32 and known.isascii() and known.isalnum())
        self.nonce = secrets.token_hex(16) if self.is_new else known

    @property
    def value(self) -> str:
        """What the form sends back."""
        return _signature(self._secret, self.nonce)

    def require(self, given: object) -> None:
        """Raise 403 unless `given` belongs to the visitor's cookie."""
        given = given if isinstance(given, str) else ""
        if self.is_new or not hmac.compare_digest(self.value.encode(), given.encode(errors="replace")):
            raise HTTPException(403, "This page was open too long, or was not ours. Reload it and try again.")


class SecurityHeaders:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # What is not a file that never changes is different the next moment.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class BodyLimit:
    """Refuses a body over LARGEST_BODY bytes, whatever its header says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        total = 0

        async def limited() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > LARGEST_BODY:
                raise HTTPException(413, f"That is too much: {LARGEST_BODY // 1024} KiB at a time are allowed.")
            return message

        await self._app(scope, limited, send)
