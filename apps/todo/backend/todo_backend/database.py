"""The connection to PostgreSQL: the engine, its sessions, and how its failures are told apart."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from starlette.requests import Request

from todo_backend.about import SERVICE
from todo_backend.database_address import DatabaseAddress

CONNECT_SECONDS = 8
"""Beyond the five seconds after which a resolver asks again for a name whose first answer was lost (resolv.conf(5))."""
STATEMENT_SECONDS = 5
POOL_SECONDS = 10
"""How long a request waits for its turn: a crowd is to be served slowly, not refused."""

UNREACHABLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What is raised where the database is away, starting, stopping or refusing."""
MISTAKES = (ProgrammingError, IntegrityError, DataError)
"""What is raised where it answers, and a statement of ours is wrong."""


def create_engine(
    address: DatabaseAddress, statement_seconds: float = STATEMENT_SECONDS, connections: int = 10
) -> AsyncEngine:
    """An engine that notices a connection cut off meanwhile, and gives up on a silent server."""
    return create_async_engine(
        address.url,
        pool_pre_ping=True,
        # None beyond these: a connection that is opened for one request costs more than waiting for one of the ten.
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_recycle=1800,
        # Parameters are a user's values, and belong in no error message.
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds,
            "server_settings": {"application_name": SERVICE},
            "ssl": address.tls,
            **(_pooled() if address.pooled else {}),
        },
    )


def _pooled() -> dict[str, Any]:
    """Behind a pooler the next transaction may meet another connection of the server: no statement outlives its own,
    and none has a name that another may have taken there."""
    return {
        "prepared_statement_cache_size": 0,
        "statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__{SERVICE}_{uuid.uuid4().hex}__",
    }


def create_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """A factory of sessions."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request, as a dependency. It holds a connection only between a statement and a commit."""
    async with request.app.state.sessions() as opened:
        yield opened


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error beneath SQLAlchemy's."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "__cause__", None) or cause


def is_unmigrated(error: BaseException) -> bool:
    """Whether a table or a column is missing: `todo-backend migrate` has not run yet."""
    return isinstance(cause_of(error), asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError)


def reason(error: BaseException) -> str:
    """In a few words, why the database did not answer. Holds no address and no password."""
    cause = cause_of(error)
    if is_unmigrated(error):
        return "its tables are missing: `todo-backend migrate` has not run"
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
