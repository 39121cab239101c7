"""What every answer carries for the visitor's browser, and how much a visitor may send."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024
"""Bytes of a request's body."""
TOO_MUCH = f"That is too much: {LARGEST_BODY // 1024} KiB at a time are allowed."

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # What is not a file that never changes is different the next moment.
    "Cache-Control": "no-store",
}


class AnswerHeaders:
    """Adds the headers to every answer, with `policy` as its Content-Security-Policy.

    Once `stopping` says that the process is asked to end, an answer also says that its connection ends with it.
    """

    def __init__(self, app: ASGIApp, policy: str, stopping: Callable[[], bool] = lambda: False) -> None:
        self._app, self._stopping = app, stopping
        self._headers = {"Content-Security-Policy": policy, **HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if self._stopping():
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, with_headers)


class BodyLimit:
    """Refuses a body over LARGEST_BODY bytes by 413, whatever its header says."""

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
                raise HTTPException(413, TOO_MUCH)
            return message

        await self._app(scope, limited, send)
