"""Whether the database answers, asked at most once a second however many ask us."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import URL, text

from todo_backend.database import UNREACHABLE, create_engine, reason
from todo_backend.logging_config import get_logger

ANSWER_SECONDS = 2
FRESH_SECONDS = 1
OK, AWAY, UNMIGRATED = "ok", "unreachable", "unmigrated"


class Health:
    """Asks by a connection of its own: a busy pool says nothing about the database."""

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(url, statement_seconds=ANSWER_SECONDS, connections=1)
        self._turn = asyncio.Lock()
        self._asked = float("-inf")
        self._known: str | None = None

    async def database(self) -> str:
        """`ok`, `unreachable`, or `unmigrated` while its tables are missing."""
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
                is_there = await connection.scalar(text("SELECT to_regclass('todos') IS NOT NULL"))
                return (OK, "") if is_there else (UNMIGRATED, "`todo-backend migrate` has not run")
        except UNREACHABLE as error:
            return AWAY, reason(error)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._engine.dispose()
