"""Whether the database answers, asked at most once a second however many ask us."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import text

from foundation.logs import get_logger
from todo_backend.database import UNREACHABLE, create_engine, reason
from todo_backend.database_address import DatabaseAddress
from todo_backend.renewal import Passwords

ANSWER_SECONDS = 2
FRESH_SECONDS = 1
OK, AWAY, UNMIGRATED = "ok", "unreachable", "unmigrated"
_TABLES = text(
    "SELECT to_regclass('todos') IS NOT NULL, "
    "NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "
    "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()))"
)
"""Whether our tables are there, and whether none at all is: somebody who restores a dump is left alone."""


class Health:
    """Asks by a connection of its own: a busy pool says nothing about the database."""

    def __init__(
        self,
        address: DatabaseAddress,
        when_empty: Callable[[], None] = lambda: None,
        passwords: Passwords | None = None,
    ) -> None:
        """`when_empty`: called each time that the database is found without any table."""
        self._when_empty = when_empty
        self._engine = create_engine(address, statement_seconds=ANSWER_SECONDS, connections=1, passwords=passwords)
        self._turn = asyncio.Lock()
        self._asked = float("-inf")
        self._known: str | None = None

    async def database(self) -> str:
        """Return `ok`, `unreachable`, or `unmigrated` while its tables are missing."""
        async with self._turn:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                found, why = await self._ask()
                if found != self._known:
                    log = get_logger()
                    (log.info if found == OK else log.warning)("database_health", state=found, reason=why)
                self._known, self._asked = found, time.monotonic()
            assert self._known is not None, "it was asked just now"
            return self._known

    async def _ask(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._engine.connect() as connection:
                is_there, is_empty = (await connection.execute(_TABLES)).one()
        except UNREACHABLE as error:
            return AWAY, reason(error)
        if is_empty:
            self._when_empty()
        return (OK, "") if is_there else (UNMIGRATED, "`todo-backend migrate` has not run")

    async def close(self) -> None:
        """Let go of the connection."""
        await self._engine.dispose()
