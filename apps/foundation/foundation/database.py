"""The connection to PostgreSQL: the engine, its sessions, waiting for it, and how its failures are told apart."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import URL
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from starlette.requests import Request
from tenacity import AsyncRetrying, RetryCallState, RetryError, retry_if_exception_type
from tenacity.stop import StopBaseT
from tenacity.wait import WaitBaseT

Answer = TypeVar("Answer")

STATEMENT_SECONDS = 5
"""How long a statement may take."""

UNREACHABLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What is raised where the database is away, starting, stopping or refusing."""
MISTAKES = (ProgrammingError, IntegrityError, DataError)
"""What is raised where it answers, and a statement of ours is wrong."""


def create_engine(
    url: URL,
    service: str,
    *,
    connect_seconds: float,
    pool_seconds: float,
    statement_seconds: float = STATEMENT_SECONDS,
    connections: int = 10,
    more: Mapping[str, Any] | None = None,
) -> AsyncEngine:
    """Return an engine that notices a connection cut off meanwhile, and gives up on a silent server.

    `service` is the name under which the server lists its connections; `pool_seconds` is how long a request waits for
    one of them; `more` are further arguments of asyncpg's `connect`.
    """
    return create_async_engine(
        url,
        pool_pre_ping=True,
        # None beyond these: a connection that is opened for one request costs more than waiting for one of the ten.
        pool_size=connections,
        max_overflow=0,
        pool_timeout=pool_seconds,
        pool_recycle=1800,
        # Parameters are a user's values, and belong in no error message.
        hide_parameters=True,
        connect_args={
            "timeout": connect_seconds,
            "command_timeout": statement_seconds,
            "server_settings": {"application_name": service},
            **(more or {}),
        },
    )


def create_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return a factory of sessions."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield a session for one request, as a dependency. It holds a connection only between a statement and a commit."""
    async with request.app.state.sessions() as opened:
        yield opened


def cause_of(error: BaseException) -> BaseException:
    """Return the driver's own error beneath SQLAlchemy's."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "__cause__", None) or cause


def reason(error: BaseException) -> str:
    """Say in a few words why the database did not answer. Holds no address and no password."""
    cause = cause_of(error)
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return "user or password refused"
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return "the database does not exist"
    if isinstance(cause, asyncpg.CannotConnectNowError):
        return "starting or stopping"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {cause.verify_message}"
    if isinstance(cause, ConnectionError) and "SSL upgrade" in str(cause):
        return "it offers no TLS, which sslmode asks for"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    return f"can't be reached ({type(cause).__name__})"


class NoAnswer(Exception):
    """The database did not answer. Its text is the last try's reason; `cause` is what that try raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(reason(cause))
        self.cause = cause


async def wait_for_answer(
    ask: Callable[[], Awaitable[Answer]],
    *,
    stop: StopBaseT,
    wait: WaitBaseT,
    report: Callable[[RetryCallState, BaseException], None],
) -> Answer:
    """Return what `ask` returns, tried again while it raises one of UNREACHABLE. Raises NoAnswer after the last try.

    `stop` and `wait` are tenacity's; `report` is called before each pause, to log the try that failed.
    """

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            report(state, error)

    async def once() -> Answer:
        # tenacity awaits what is declared with `async` alone: a lambda's coroutine it would return as it is.
        return await ask()

    retrying = AsyncRetrying(
        stop=stop, wait=wait, retry=retry_if_exception_type(UNREACHABLE), before_sleep=before_sleep
    )
    try:
        return await retrying(once)
    except RetryError as error:
        cause = error.last_attempt.exception()
        assert cause is not None, "a try that returned is not tried again"
        raise NoAnswer(cause) from cause
