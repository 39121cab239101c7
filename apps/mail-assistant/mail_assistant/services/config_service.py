"""Reads and writes the table of settings."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from mail_assistant.models import Setting
from mail_assistant.services.known_settings import BY_KEY, KNOWN, check_all


class ConfigService:
    """The settings that are saved. Only keys of the allowlist, `known_settings.KNOWN`, go in."""

    async def get_all(self, session: AsyncSession) -> dict[str, str | None]:
        """Return every known key, with None where nothing is saved."""
        rows = await session.execute(select(Setting.key, Setting.value).where(Setting.key.in_(BY_KEY)))
        saved = {row.key: row.value for row in rows}
        return {known.key: saved.get(known.key) for known in KNOWN}

    async def upsert(self, session: AsyncSession, key: str, value: str) -> None:
        """Write one setting; the caller commits. Raises ValueError for an unknown key or a wrong value."""
        checked = check_all({key: value})[key]
        if checked is None:
            await session.execute(delete(Setting).where(Setting.key == key))
            return
        row = insert(Setting).values(key=key, value=checked)
        await session.execute(
            row.on_conflict_do_update(
                index_elements=[Setting.key], set_={"value": row.excluded.value, "updated_at": func.now()}
            )
        )

    async def save(self, session: AsyncSession, values: Mapping[str, str]) -> list[str]:
        """Write all of them, or none: the keys that changed. Raises WrongValues before anything is written."""
        checked = check_all(values)
        before = await self.get_all(session)
        changed = sorted(key for key, value in checked.items() if before[key] != value)
        # Sorted: two saves at once take the rows in the same order, and neither waits for the other for ever.
        for key in changed:
            await self.upsert(session, key, checked[key] or "")
        await session.commit()
        return changed
