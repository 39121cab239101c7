"""The connection to PostgreSQL, and what its failures mean for this application."""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from foundation import database
from foundation.database import MISTAKES, UNREACHABLE, cause_of, create_sessions, session
from todo_backend.about import SERVICE
from todo_backend.database_address import DatabaseAddress
from todo_backend.renewal import Passwords, follow

__all__ = [
    "MISTAKES",
    "UNREACHABLE",
    "cause_of",
    "create_engine",
    "create_sessions",
    "is_unmigrated",
    "reason",
    "session",
]

CONNECT_SECONDS = 8
"""Beyond the five seconds after which a resolver asks again for a name whose first answer was lost (resolv.conf(5))."""
POOL_SECONDS = 10
"""How long a request waits for its turn: a crowd is to be served slowly, not refused."""


def create_engine(
    address: DatabaseAddress,
    statement_seconds: float = database.STATEMENT_SECONDS,
    connections: int = 10,
    passwords: Passwords | None = None,
) -> AsyncEngine:
    """Return an engine that has patience: see CONNECT_SECONDS and POOL_SECONDS. `passwords` may change meanwhile."""
    engine = database.create_engine(
        address.url,
        SERVICE,
        connect_seconds=CONNECT_SECONDS,
        pool_seconds=POOL_SECONDS,
        statement_seconds=statement_seconds,
        connections=connections,
        more={"ssl": address.tls, **(_pooled() if address.pooled else {})},
    )
    if passwords is not None:
        follow(engine, passwords)
    return engine


def _pooled() -> dict[str, Any]:
    """Return the settings for a database behind a pooler.

    The next transaction may meet another connection of the server there: no statement outlives its own, and none has a
    name that another may have taken.
    """
    return {
        "prepared_statement_cache_size": 0,
        "statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__{SERVICE}_{uuid.uuid4().hex}__",
    }


def is_unmigrated(error: BaseException) -> bool:
    """Return whether a table or a column is missing: `todo-backend migrate` has not run yet."""
    return isinstance(cause_of(error), asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError)


def reason(error: BaseException) -> str:
    """Say in a few words why the database did not answer. Holds no address and no password."""
    if is_unmigrated(error):
        return "its tables are missing: `todo-backend migrate` has not run"
    return database.reason(error)
