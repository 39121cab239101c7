"""Passwords: hashed by argon2id, a few at a time, and as slowly for an unknown account as for a known one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from fastapi import HTTPException

Result = TypeVar("Result")
AT_ONCE = 2
"""Hashes computed at the same time: each takes 19 MiB and a whole core."""
MOST_WAITING = 64
"""More than this many would wait for many seconds: they are told to come back."""


class Passwords:
    """Hashes and checks passwords off the event loop. Raises HTTPException 503 where too many wait."""

    def __init__(self) -> None:
        # OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, two rounds, one thread.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        """Return the hash to keep, with its salt and parameters."""
        return await self._run(self._hash, password)

    async def verify(self, known: str | None, password: str) -> bool:
        """Return whether the password belongs to the hash. Without a hash: never, but not sooner."""
        matches = await self._run(self._verify, known or self._nobodys, password)
        return matches and known is not None

    def is_outdated(self, known: str) -> bool:
        """Return whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., Result], *arguments: str) -> Result:
        if self._waiting >= MOST_WAITING:
            raise HTTPException(503, "Too many people sign in at this moment. Try again soon.", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1
