"""Create the tables of accounts, sessions, todos and attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _moment(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, **options)  # pyright: ignore[reportArgumentType]


def _owner() -> sa.Column[object]:
    return sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        _moment("created", server_default=sa.func.now()),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        _owner(),
        _moment("expires"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "todos",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _owner(),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False, server_default=""),
        sa.Column("due", sa.Date()),
        sa.Column("done", sa.Boolean(), nullable=False, server_default="false"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        _moment("created", server_default=sa.func.now()),
        _moment("updated", server_default=sa.func.now()),
        sa.UniqueConstraint("user_id", "position", name="todos_position_key", deferrable=True, initially="DEFERRED"),
    )
    op.create_index("todos_due_index", "todos", ["user_id", "due"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        _moment("until"),
    )
    op.create_index("ix_attempts_until", "attempts", ["until"])


def downgrade() -> None:
    for table in ("attempts", "todos", "sessions", "users"):
        op.drop_table(table)
