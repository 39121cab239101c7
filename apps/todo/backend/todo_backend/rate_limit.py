"""Limits on how often something may be tried, counted in the database: they hold for all replicas together."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException
from sqlalchemy import case, delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend.models import Attempt


@dataclass(frozen=True)
class Limit:
    """At most `most` tries of what `name` and `subject` say together within `seconds`."""

    name: str
    subject: str
    most: int
    seconds: int


def _identity(secret: str, limit: Limit) -> str:
    """Return the row's name. A keyed hash: the table tells nobody which addresses were tried."""
    return hmac.new(secret.encode(), f"limit:{limit.name}:{limit.subject}".encode(), hashlib.sha256).hexdigest()


class RateLimiter:
    """Counts tries, each before it is made: many at once get no more than one after the other."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def count(self, session: AsyncSession, limits: Sequence[Limit]) -> None:
        """Count one try against each limit, and commit. Raises HTTPException 429 where one is used up."""
        named = {_identity(self._secret, limit): limit for limit in limits}
        waits: list[float] = []
        # Always in the same order: two that count the same rows never wait for each other.
        for identity, limit in sorted(named.items()):
            fresh = insert(Attempt).values(id=identity, count=1, until=func.now() + timedelta(seconds=limit.seconds))
            over = Attempt.until <= func.now()
            counted = fresh.on_conflict_do_update(
                index_elements=[Attempt.id],
                set_={
                    "count": case((over, 1), else_=Attempt.count + 1),
                    "until": case((over, fresh.excluded.until), else_=Attempt.until),
                },
            ).returning(Attempt.count, Attempt.until)
            count, until = (await session.execute(counted)).one()
            if count > limit.most:
                waits.append((until - datetime.now(UTC)).total_seconds())
        await session.commit()
        if waits:
            seconds = max(1, round(max(waits)))
            minutes = max(1, round(seconds / 60))
            words = f"{minutes} minute{'' if minutes == 1 else 's'}"
            raise HTTPException(429, f"That was tried too often. Try again in {words}.", {"Retry-After": str(seconds)})

    async def give_back(self, session: AsyncSession, limits: Sequence[Limit]) -> None:
        """Take one try back from each limit: it was none. Commits nothing."""
        for identity in sorted(_identity(self._secret, limit) for limit in limits):
            await session.execute(update(Attempt).where(Attempt.id == identity).values(count=Attempt.count - 1))

    async def forget_old(self, session: AsyncSession) -> None:
        """Delete rows that limit nothing any more. Commits nothing."""
        await session.execute(delete(Attempt).where(Attempt.until < func.now() - timedelta(minutes=1)))
