"""Alembic's environment: migrates through the connection of `todo-backend migrate`, or one of its own by hand."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from todo_backend.config import MigrationSettings
from todo_backend.database import create_engine
from todo_backend.models import Base
from todo_backend.schema import LOCK, UPGRADE_SECONDS


def migrate(connection: Connection) -> None:
    """Run what is missing, in one transaction that holds the lock: it goes with the transaction, whatever happens."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        # A waiting instance looks at the revision only once it has the lock.
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        context.run_migrations()


async def migrate_by_hand() -> None:
    settings = MigrationSettings()  # pyright: ignore[reportCallIssue]
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
