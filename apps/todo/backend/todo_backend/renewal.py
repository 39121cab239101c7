"""A database's password that changes while the application runs: known from a file before the database wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine

from foundation.database import cause_of
from todo_backend import database_address
from todo_backend.database_address import DatabaseAddress


class Passwords:
    """Every password that a new connection may need: the one that was right last, the file's, and that of the start.

    Whoever changes a password can't change it everywhere at once. The database may still want the old one when the file
    has the new one, and the other way round; so each is tried.
    """

    def __init__(
        self, address: DatabaseAddress, file: Path | None = None, learned: Callable[[str], None] = lambda _: None
    ) -> None:
        """`file`: holds DATABASE_URL as it is now. `learned`: told each new secret, so that no log shows it."""
        self._url, self._file, self._learned = address.url, file, learned
        self._good = self._first = address.url.password
        self._known = {self._first}

    def to_try(self) -> list[str | None]:
        """Return each once, and in this order: as a rule the first is right."""
        return list(dict.fromkeys([self._good, self._written(), self._first]))

    def was_right(self, password: str | None) -> None:
        """Remember what the database took."""
        self._good = password

    def url(self) -> URL:
        """Return the address with the password that was right last."""
        return self._url.set(password=self._good)

    def _written(self) -> str | None:
        """Return the file's; that of the start where the file is not there, or is about another database.

        Another database is for new pods to talk to: its certificate, its tables and its people are others too.
        """
        try:
            text = self._file.read_text().strip() if self._file else ""
            found = database_address.read(text).url if text else self._url
        except (OSError, ValueError):
            return self._first
        if found._replace(password=None) != self._url._replace(password=None):
            return self._first
        if found.password is not None and found.password not in self._known:
            self._known.add(found.password)
            self._learned(found.password)
        return found.password


def follow(engine: AsyncEngine, passwords: Passwords) -> None:
    """Let each new connection of an engine try what `passwords` says."""

    def connect(dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> Any:
        refusals: list[BaseException] = []
        for password in passwords.to_try():
            try:
                made = dialect.connect(*arguments, **{**parameters, "password": password})
            except Exception as error:
                if not isinstance(cause_of(error), asyncpg.InvalidPasswordError):
                    raise
                refusals.append(error)
                continue
            passwords.was_right(password)
            return made
        raise refusals[-1]

    event.listen(engine.sync_engine, "do_connect", connect)
