"""What the instance remembers, in its own database (SQLite or PostgreSQL): what it answered, and the breaker."""

from __future__ import annotations

import time

from mautrix.util.async_db import Connection, Database, UpgradeTable

from .breaker import Breaker

upgrade_table = UpgradeTable()

# An event comes again only if the homeserver sends it again: never after so long.
KEEP_DAYS = 90


@upgrade_table.register(description="What was answered, and named values")
async def upgrade_v1(connection: Connection) -> None:
    await connection.execute(
        """CREATE TABLE answered (
            event_id    TEXT   NOT NULL,
            code        TEXT   NOT NULL,
            room_id     TEXT   NOT NULL,
            outcome     TEXT   NOT NULL,
            answered_at BIGINT NOT NULL,
            PRIMARY KEY (event_id, code)
        )"""
    )
    await connection.execute("CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL)")


class Memory:
    """Answers are remembered by the message and the link in it: the same link in a later message is answered again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def was_answered(self, event_id: str, code: str) -> bool:
        found = await self._database.fetchval(
            "SELECT 1 FROM answered WHERE event_id = $1 AND code = $2", event_id, code
        )
        return found is not None

    async def remember(self, event_id: str, code: str, room_id: str, outcome: str) -> None:
        """Write down an answer; `outcome` is "posted" or the failure's name. A second time changes nothing."""
        await self._database.execute(
            "INSERT INTO answered (event_id, code, room_id, outcome, answered_at) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (event_id, code) DO NOTHING",
            event_id, code, room_id, outcome, int(time.time()),
        )  # fmt: skip

    async def forget_old(self) -> None:
        await self._database.execute(
            "DELETE FROM answered WHERE answered_at < $1", int(time.time()) - KEEP_DAYS * 24 * 3600
        )

    async def breaker(self) -> Breaker:
        return Breaker.from_text(await self._database.fetchval("SELECT value FROM kept WHERE name = 'breaker'"))

    async def keep_breaker(self, breaker: Breaker) -> None:
        await self._database.execute(
            "INSERT INTO kept (name, value) VALUES ('breaker', $1) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            breaker.as_text(),
        )
