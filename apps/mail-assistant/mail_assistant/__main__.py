"""`python -m mail_assistant`: serve until asked to stop. Exit code 1 where it could not start."""

from __future__ import annotations

import contextlib
import signal

from foundation.process import leave, loading

with loading():
    import uvicorn
    from pydantic import ValidationError

    from foundation import logs
    from mail_assistant.about import SERVICE
    from mail_assistant.config import SHORT_SECRET, Settings, problems
    from mail_assistant.main import create_app, wrapped

GRACE_SECONDS = 8
"""For requests under way, once asked to stop. Docker kills after 10."""


def main() -> int:
    logs.configure(SERVICE)
    log = logs.get_logger()
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        log.error("settings_invalid", problems=problems(error))
        return 1
    logs.configure(SERVICE, settings.log_level, settings.secrets())
    if len(settings.secret_key.get_secret_value()) < SHORT_SECRET:
        log.warning("weak_settings", problem=f"SECRET_KEY has fewer than {SHORT_SECRET} characters; give a longer one")
    app = create_app(settings, lambda: server.should_exit)
    server = uvicorn.Server(
        uvicorn.Config(
            wrapped(app),
            host=settings.host,
            port=settings.port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    # uvicorn sends itself the signal again after it has ended: being asked to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with contextlib.suppress(SystemExit):  # uvicorn's own code for a start that failed; ours is below
        server.run()
    return 0 if server.started or server.should_exit else 1


if __name__ == "__main__":
    leave(main())
