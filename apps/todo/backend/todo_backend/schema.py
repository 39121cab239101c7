"""`todo-backend migrate`: brings the database's tables up to date, by Alembic."""

from __future__ import annotations

import asyncio
import signal

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import RetryCallState, stop_after_delay

from foundation.database import NoAnswer, wait_for_answer
from foundation.logs import get_logger
from todo_backend.about import ROOT
from todo_backend.config import MigrationSettings
from todo_backend.database import MISTAKES, UNREACHABLE, create_engine, reason

MIGRATIONS = ROOT / "migrations"
LOCK = 0x746F646F
"""Number of the advisory lock that lets one instance migrate at a time ("todo" in hexadecimal)."""
UPGRADE_SECONDS = 300
"""Another instance that migrates at the same moment is waited for that long."""
TRY_SECONDS = 6.0
RETRY_SECONDS = 1.0


class MigrationFailed(Exception):
    """The tables are not up to date. Its text says why, in a line."""


def alembic_config() -> Config:
    """Return Alembic's configuration, wherever the process was started."""
    config = Config(MIGRATIONS / "alembic.ini")
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def known_revisions() -> set[str]:
    """Return every revision that this version of the application knows."""
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


async def _revision(engine: AsyncEngine) -> str | None:
    """Return the database's revision; None where it has none. Raises what UNREACHABLE names."""
    async with asyncio.timeout(TRY_SECONDS), engine.connect() as connection:
        if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return str(found) if found else None


async def _wait_for(engine: AsyncEngine, seconds: float) -> str | None:
    """Wait until the database answers; its revision. Raises MigrationFailed once the time is over."""
    log = get_logger()

    def seconds_left(state: RetryCallState) -> float:
        return max(0.0, seconds - (state.seconds_since_start or 0.0))

    def report(state: RetryCallState, error: BaseException) -> None:
        log.warning("database_wait", reason=reason(error), seconds_left=round(seconds_left(state)))

    try:
        return await wait_for_answer(
            lambda: _revision(engine),
            stop=stop_after_delay(seconds),
            wait=lambda state: min(RETRY_SECONDS, seconds_left(state)),
            report=report,
        )
    except NoAnswer as error:
        where = f"{engine.url.host}:{engine.url.port or 5432}/{engine.url.database}"
        raise MigrationFailed(
            f"the database at {where} did not answer within {seconds:g} s: {reason(error.cause)}; "
            "see that it runs and that DATABASE_URL is right, or give more seconds in MIGRATE_WAIT"
        ) from error


async def migrate(settings: MigrationSettings) -> None:
    """Run `alembic upgrade head`, once at a time however many start. Raises MigrationFailed where it fails."""
    log, config = get_logger(), alembic_config()

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    # Connections for requests give up sooner than another instance may need to migrate.
    engine = create_engine(settings.database, statement_seconds=UPGRADE_SECONDS, connections=1)
    try:
        before = await _wait_for(engine, settings.migrate_wait)
        if before is not None and before not in known_revisions():
            # After a rollback of the application: migrations only add, so the older version works with newer tables.
            log.warning("database_is_newer", revision=before)
            return
        async with asyncio.timeout(UPGRADE_SECONDS), engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        log.info("migrated", before=before, revision=await _revision(engine))
    except (*UNREACHABLE, CommandError) as error:
        if isinstance(error, (*MISTAKES, CommandError)):
            log.error("migration_error", exc_info=error)
            raise MigrationFailed("a step failed, and nothing was changed; the error is in the log") from error
        raise MigrationFailed(f"the database went away: {reason(error)}; nothing was changed, run it again") from error
    finally:
        await engine.dispose()


async def _until_asked_to_stop(settings: MigrationSettings) -> int:
    task = asyncio.ensure_future(migrate(settings))
    # The first process of a container is ended by no signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        get_logger().warning("migration_given_up", reason="asked to stop")
        return 1
    except MigrationFailed as failure:
        get_logger().error("migration_failed", reason=str(failure))
        return 1
    return 0


def run(settings: MigrationSettings) -> int:
    """Migrate, or give it up when asked to stop; the exit code."""
    return asyncio.run(_until_asked_to_stop(settings))
