"""`todo-backend serve`: the web server around the application, and how it ends."""

from __future__ import annotations

import contextlib
import signal
import time

import uvicorn

from todo_backend.config import Settings
from todo_backend.main import create_app, wrapped

LISTEN_SECONDS = 1.0
"""Once asked to stop, new connections are still answered for so long: whoever sends us visitors learns of it late."""
IDLE_SECONDS = 120
"""Longer than a proxy keeps an idle connection: we never close one at the moment when it sends a request."""


class Server(uvicorn.Server):
    """uvicorn, but it goes on listening for a moment after it was asked to stop."""

    asked_to_stop: float | None = None
    listen_seconds = LISTEN_SECONDS

    def handle_exit(self, sig: int, frame: object) -> None:
        """Start the end at the first signal; hurry it at a second one."""
        if self.asked_to_stop is None:
            self.asked_to_stop = time.monotonic()
            return
        super().handle_exit(sig, frame)  # pyright: ignore[reportArgumentType]

    async def on_tick(self, counter: int) -> bool:
        if self.asked_to_stop is not None and time.monotonic() - self.asked_to_stop >= self.listen_seconds:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings) -> int:
    """Serve until asked to stop; then let the requests under way end."""
    app = create_app(settings)
    config = uvicorn.Config(
        wrapped(app, lambda: server.asked_to_stop is not None),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=max(0, round(settings.shutdown_grace - LISTEN_SECONDS)),
    )
    server = Server(config)
    server.listen_seconds = min(LISTEN_SECONDS, settings.shutdown_grace)
    # uvicorn sends itself the signal again after it has ended: being asked to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with contextlib.suppress(SystemExit):  # uvicorn's own code for a start that failed; ours is below
        server.run()
    return 0 if server.started else 1
