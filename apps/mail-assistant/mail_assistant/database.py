"""The connection to PostgreSQL, and waiting for it at start."""

from __future__ import annotations

import asyncio

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import RetryCallState, stop_after_attempt, wait_exponential

from foundation import database
from foundation.logs import get_logger
from mail_assistant.about import SERVICE

CONNECT_SECONDS = 3
LONGEST_DELAY_SECONDS = 10


def create_engine(url: URL, statement_seconds: float = database.STATEMENT_SECONDS) -> AsyncEngine:
    """Return an engine that gives up soon: who opens a page would rather read that the database is away."""
    return database.create_engine(
        url,
        SERVICE,
        connect_seconds=CONNECT_SECONDS,
        pool_seconds=CONNECT_SECONDS,
        statement_seconds=statement_seconds,
    )


async def connect_with_retry(engine: AsyncEngine, attempts: int, delay_seconds: int) -> None:
    """Wait until the database answers, logging each attempt that failed. Raises SystemExit(1) after the last."""
    log = get_logger()

    async def ask() -> None:
        async with asyncio.timeout(CONNECT_SECONDS + database.STATEMENT_SECONDS), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    def report(state: RetryCallState, error: BaseException) -> None:
        log.warning(
            "db_connect_retry",
            attempt=state.attempt_number,
            attempts=attempts,
            delay_seconds=round(state.upcoming_sleep, 1),
            reason=database.reason(error),
        )

    try:
        await database.wait_for_answer(
            ask,
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=max(delay_seconds, 0) / 2, min=delay_seconds, max=LONGEST_DELAY_SECONDS),
            report=report,
        )
    except database.NoAnswer as error:
        log.error(
            "db_connect_failed",
            attempts=attempts,
            reason=str(error),
            database=f"{engine.url.host}:{engine.url.port}/{engine.url.database}",
            remedy="Is PostgreSQL running, and are POSTGRES_PASSWORD and POSTGRES_HOST (or DATABASE_URL) right?",
        )
        raise SystemExit(1) from None
