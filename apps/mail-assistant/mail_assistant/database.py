"""The connection to PostgreSQL: the engine, its sessions, and waiting for it at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
from fastapi import Request
from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from mail_assistant.about import SERVICE
from mail_assistant.logging_config import get_logger

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5
LONGEST_DELAY_SECONDS = 10

UNREACHABLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What is raised where the database is away, starting, stopping or refusing."""


def create_engine(url: URL, statement_seconds: float = STATEMENT_SECONDS) -> AsyncEngine:
    """An engine that notices a connection cut off meanwhile, and gives up on a silent server."""
    return create_async_engine(
        url,
        pool_pre_ping=True,
        # None beyond these: a connection that is opened for one request costs more than waiting for one of the ten.
        pool_size=10,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_recycle=1800,
        # Parameters are a user's values, and belong in no error message.
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds,
            "server_settings": {"application_name": SERVICE},
        },
    )


def create_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """A factory of sessions."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request, as a dependency."""
    async with request.app.state.sessions() as opened:
        yield opened


def reason(error: BaseException) -> str:
    """In a few words, why the database did not answer. Holds no address and no password."""
    cause = getattr(error, "orig", None) or error
    cause = getattr(cause, "__cause__", None) or cause
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return "user or password refused"
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return "the database does not exist"
    if isinstance(cause, asyncpg.CannotConnectNowError):
        return "starting or stopping"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    return f"can't be reached ({type(cause).__name__})"


async def connect_with_retry(engine: AsyncEngine, attempts: int, delay_seconds: int) -> None:
    """Wait until the database answers, logging each attempt that failed. Raises SystemExit(1) after the last."""
    log = get_logger()

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning(
            "db_connect_retry",
            attempt=state.attempt_number,
            attempts=attempts,
            delay_seconds=round(state.upcoming_sleep, 1),
            reason=reason(error) if error else "",
        )

    try:
        async for attempt in AsyncRetrying(
            wait=wait_exponential(multiplier=max(delay_seconds, 0) / 2, min=delay_seconds, max=LONGEST_DELAY_SECONDS),
            stop=stop_after_attempt(attempts),
            retry=retry_if_exception_type(UNREACHABLE),
            before_sleep=tell,
        ):
            with attempt:
                async with asyncio.timeout(CONNECT_SECONDS + STATEMENT_SECONDS), engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))
    except RetryError as error:
        last = error.last_attempt.exception()
        log.error(
            "db_connect_failed",
            attempts=attempts,
            reason=reason(last) if last else "",
            database=f"{engine.url.host}:{engine.url.port}/{engine.url.database}",
            remedy="Is PostgreSQL running, and are POSTGRES_PASSWORD and POSTGRES_HOST (or DATABASE_URL) right?",
        )
        raise SystemExit(1) from None
