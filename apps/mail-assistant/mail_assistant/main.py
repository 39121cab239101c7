"""The application: what it is made of, how it starts, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Scope

from foundation import logs
from foundation.database import UNREACHABLE, create_sessions
from foundation.headers import AnswerHeaders, BodyLimit
from foundation.request_log import RequestLog
from mail_assistant import database, pages, schema
from mail_assistant.about import PACKAGE, SERVICE, version
from mail_assistant.access import Access, SignedIn
from mail_assistant.api import access, config, dashboard, draft, health
from mail_assistant.config import Settings
from mail_assistant.hosts import AllowedHosts
from mail_assistant.security import POLICY
from mail_assistant.services.config_service import ConfigService
from mail_assistant.services.health_service import HealthService
from mail_assistant.services.outbound import Outbound

STOP_POLL_SECONDS = 0.1


class UnchangingFiles(StaticFiles):
    """Files whose addresses hold the version: a browser need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


async def _exit_code(work: Awaitable[None]) -> int:
    """0, or the code with which the work wants the process to end: a task that raises SystemExit ends the loop."""
    try:
        await work
    except SystemExit as request:
        return int(request.code or 0)
    return 0


async def _unless_stopped(work: Awaitable[None], stopping: Callable[[], bool]) -> None:
    """Do the work, but give it up when the process is asked to end: a start may wait a minute for the database."""
    task = asyncio.ensure_future(_exit_code(work))
    while not task.done():
        if stopping():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            logs.get_logger().info("start_given_up", reason="asked to stop")
            raise SystemExit(0)
        await asyncio.wait([task], timeout=STOP_POLL_SECONDS)
    if task.result() != 0:
        raise SystemExit(task.result())


async def _start(app: FastAPI) -> None:
    settings: Settings = app.state.settings
    await database.connect_with_retry(app.state.engine, settings.db_connect_attempts, settings.db_connect_delay_seconds)
    await schema.upgrade(settings.database)
    async with app.state.sessions() as session:
        saved = await ConfigService().get_all(session)
    logs.get_logger().info(
        "started",
        version=version(),
        llm_endpoint=saved["llm_endpoint"] or settings.ollama_base_url,
        event_date=saved["event_date"],
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Wait for the database, bring its tables up to date, serve; then let go of everything."""
    settings: Settings = app.state.settings
    logs.configure(SERVICE, settings.log_level, settings.secrets())
    app.state.engine = database.create_engine(settings.database)
    app.state.sessions = create_sessions(app.state.engine)
    # No proxy for a server in the house; a redirection could lead anywhere.
    app.state.client = httpx.AsyncClient(
        trust_env=False, follow_redirects=False, transport=Outbound(settings.ollama_base_url)
    )
    app.state.health = HealthService(settings, app.state.sessions, app.state.client)
    try:
        await _unless_stopped(_start(app), app.state.stopping)
        yield
        logs.get_logger().info("stopping")
    finally:
        await app.state.health.close()
        await app.state.client.aclose()
        await app.state.engine.dispose()


def create_app(settings: Settings, stopping: Callable[[], bool] = lambda: False) -> FastAPI:
    """Return the application. `stopping` says whether the process has been asked to end."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(
        title="Mail assistant",
        version=version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.settings = settings
    app.state.stopping = stopping
    app.state.access = Access(settings.access_password, settings.secret_key)
    app.include_router(dashboard.router)
    app.include_router(health.router)
    app.include_router(config.router)
    app.include_router(draft.router)
    app.include_router(access.router)
    app.mount("/static", UnchangingFiles(directory=PACKAGE / "static"), name="static")
    app.add_exception_handler(HTTPException, pages.on_http_error)
    app.add_exception_handler(404, pages.on_http_error)
    app.add_exception_handler(RequestValidationError, pages.on_invalid_request)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, pages.on_database_error)
    app.add_exception_handler(500, pages.on_error)
    # The last that is added comes first. Inside of FastAPI's own: what they refuse is answered as any error is.
    app.add_middleware(BodyLimit)
    app.add_middleware(SignedIn, access=app.state.access)
    return app


def wrapped(app: FastAPI) -> RequestLog:
    """Return the application inside what must see every answer, the one about an error of its own too."""
    hosts = AllowedHosts(app, app.state.settings.host_names)
    return RequestLog(AnswerHeaders(hosts, POLICY), often=("/health", "/static/"))
