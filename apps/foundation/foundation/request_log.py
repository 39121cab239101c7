"""One log line for each request, and the number by which to find it."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation.logs import get_logger

HEADER = "X-Request-ID"


class RequestLog:
    """Logs method, path, status and time; never a query, a header or a body.

    `often` are beginnings of paths that probes and open pages ask every few seconds: logged at the level DEBUG only.
    """

    def __init__(self, app: ASGIApp, often: tuple[str, ...] = ()) -> None:
        self._app, self._often = app, often

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        identity = given if re.fullmatch(r"[A-Za-z0-9-]{8,64}", given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = identity
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=identity)
        started, status = time.monotonic(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            path = str(scope["path"])
            quiet = path.startswith(self._often) and status < 400
            log = get_logger()
            (log.debug if quiet else log.info)(
                "request",
                method=scope["method"],
                path=path,
                status=status,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
            )
