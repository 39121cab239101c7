"""The application: what it is made of, how it starts, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from foundation import logs
from foundation.headers import AnswerHeaders
from foundation.logs import get_logger
from foundation.request_log import RequestLog
from todo_backend import database, errors
from todo_backend.about import SERVICE, version
from todo_backend.accounts import Accounts
from todo_backend.api import assistant, auth, health, todos
from todo_backend.assistant import Assistant
from todo_backend.config import Settings
from todo_backend.health import Health
from todo_backend.recovery import Recovery
from todo_backend.renewal import Passwords
from todo_backend.security import POLICY, Gate

PREFIX = "/api/v1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Serve at once: a database that is away shows in /health, and is found when it comes. Then let go of all."""
    settings: Settings = app.state.settings
    passwords = _passwords(settings)
    app.state.engine = database.create_engine(settings.database, passwords=passwords)
    app.state.sessions = database.create_sessions(app.state.engine)
    recovery = Recovery(settings, passwords)
    when_empty = recovery.begin if settings.migrate_when_empty else lambda: None
    app.state.health = Health(settings.database, when_empty, passwords)
    client = httpx.AsyncClient(follow_redirects=False)
    app.state.assistant = Assistant(settings, client)
    log = get_logger()
    log.info(
        "started",
        version=version(),
        environment=settings.environment,
        assistant="off" if settings.openai_api_key is None else settings.openai_model,
    )
    try:
        yield
        log.info("stopping")
    finally:
        await client.aclose()
        await recovery.close()
        await app.state.health.close()
        await app.state.engine.dispose()


def _passwords(settings: Settings) -> Passwords:
    """Return the database's, each of which no log shows as soon as it is known."""
    known = settings.secrets()

    def learned(password: str) -> None:
        known.append(password)
        logs.configure(SERVICE, settings.log_level, known)

    return Passwords(settings.database, settings.database_url_file, learned)


def create_app(settings: Settings) -> FastAPI:
    """Return the application itself."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(
        title="Todo",
        version=version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.accounts = Accounts(settings.auth_secret.get_secret_value(), settings.registrations_per_hour)
    for part in (health, auth, todos, assistant):
        app.include_router(part.router, prefix=PREFIX)
    errors.register(app)
    return app


def wrapped(app: FastAPI, stopping: Callable[[], bool] = lambda: False) -> RequestLog:
    """Return the application inside what must see every answer.

    `stopping`: whether the process has been asked to end.
    """
    return RequestLog(AnswerHeaders(Gate(app), POLICY, stopping), often=(f"{PREFIX}/health",))
