"""Brings the database's tables up to date at start, by Alembic."""

from __future__ import annotations

import asyncio

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from foundation.database import UNREACHABLE, reason
from foundation.logs import get_logger
from mail_assistant.about import ROOT
from mail_assistant.database import create_engine

MIGRATIONS = ROOT / "migrations"
UPGRADE_SECONDS = 120
"""Another instance that migrates at the same moment is waited for that long."""


def alembic_config() -> Config:
    """Return Alembic's configuration, wherever the process was started."""
    config = Config(MIGRATIONS / "alembic.ini")
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def newest_revision() -> str | None:
    """Return the revision that `upgrade` leads to."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


async def upgrade(database: URL) -> None:
    """Run `alembic upgrade head`, once at a time however many instances start. Raises SystemExit(1) where it fails."""
    config = alembic_config()

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    log = get_logger()
    # Connections for requests give up sooner than another instance may need to migrate.
    engine = create_engine(database, statement_seconds=UPGRADE_SECONDS)
    try:
        async with asyncio.timeout(UPGRADE_SECONDS), engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    except UNREACHABLE as error:
        log.error("migration_failed", reason=reason(error), remedy="See the error, then start again.", exc_info=error)
        raise SystemExit(1) from None
    finally:
        await engine.dispose()
    log.info("migrations_done", revision=newest_revision())
