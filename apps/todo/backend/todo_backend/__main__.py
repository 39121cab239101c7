"""`todo-backend serve` and `todo-backend migrate`. Exit code 2 where the settings are wrong, 1 where it failed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import uvicorn
from pydantic import ValidationError

from todo_backend import logging_config, schema
from todo_backend.config import MigrationSettings, Settings, problems
from todo_backend.main import create_app, wrapped

USAGE = "usage: todo-backend [serve | migrate]"
LISTEN_SECONDS = 1.0
"""Once asked to stop, new connections are still answered for so long: whoever sends us visitors learns of it late."""
IDLE_SECONDS = 120
"""Longer than a proxy keeps an idle connection: we never close one at the moment when it sends a request."""


class Server(uvicorn.Server):
    """uvicorn, but it goes on listening for a moment after it was asked to stop."""

    asked_to_stop: float | None = None
    listen_seconds = LISTEN_SECONDS

    def handle_exit(self, sig: int, frame: object) -> None:
        """The first signal starts the end; a second one hurries it."""
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


async def _until_asked(settings: MigrationSettings) -> int:
    task = asyncio.ensure_future(schema.migrate(settings))
    # The first process of a container is ended by no signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging_config.get_logger().warning("migration_given_up", reason="asked to stop")
        return 1
    except schema.MigrationFailed as failure:
        logging_config.get_logger().error("migration_failed", reason=str(failure))
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    logging_config.configure()
    command = arguments[0] if arguments else "serve"
    if len(arguments) > 1 or command not in {"serve", "migrate"}:
        print(f"todo-backend: there is no command {' '.join(arguments)!r}\n{USAGE}", file=sys.stderr)
        return 2
    try:
        settings = Settings() if command == "serve" else MigrationSettings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        for problem in problems(error):
            logging_config.get_logger().error("settings_invalid", problem=problem)
        return 2
    logging_config.configure(settings.log_level, settings.secrets())
    return serve(settings) if isinstance(settings, Settings) else asyncio.run(_until_asked(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
