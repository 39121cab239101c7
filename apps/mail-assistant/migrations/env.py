"""Alembic's environment: migrates through the application's connection, or one of its own from the command line."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from mail_assistant.config import Settings
from mail_assistant.database import create_engine
from mail_assistant.models import Base
from mail_assistant.schema import UPGRADE_SECONDS

LOCK = 0x6D61696C
"""Number of the advisory lock that lets one instance migrate at a time ("mail" in hexadecimal)."""


def migrate(connection: Connection) -> None:
    """Run what is missing, in one transaction that holds the lock: it goes with the transaction, whatever happens."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        # A waiting instance looks at the revision only once it has the lock.
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        context.run_migrations()


async def migrate_by_hand() -> None:
    # Nobody comes to see a page here: no password for that is needed.
    settings = Settings(access_password=None, sign_in="never")  # pyright: ignore[reportCallIssue]
    engine = create_engine(settings.database, statement_seconds=UPGRADE_SECONDS)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    asyncio.run(migrate_by_hand())
