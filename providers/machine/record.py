"""What was there before: written down on the machine before anything is changed, and kept until it is put back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import posixpath
import secrets
from collections.abc import Awaitable, Iterable
from typing import Any, cast

from providers.errors import ConnectionLost, DeadlineExceeded, HearthError
from providers.machine.own_folder import OWN_FOLDER, PRIVATE, make_own_folder
from providers.machine.ssh_session import SshSession

RECORDS = f"{OWN_FOLDER}/records"
"""Where a machine keeps what was there before each resource; root alone may read it."""


def path_of(*thing: str) -> str:
    """Return where the record of a thing is, by its kind's token and its identity within it."""
    return f"{RECORDS}/{hashlib.sha256(chr(0).join(thing).encode()).hexdigest()[:32]}.json"


class Record:
    """What was there before one thing was managed, and which resources hold that thing since.

    There is one record for each thing. It is written before anything is changed: a creation that was cut short is in
    no Pulumi state, and the next one must find what was there first, and not take its own half-done work for it.

    Several resources may hold one thing: those of two stacks, or one that got another name in the program, which to
    Pulumi is a new resource made before the old one is deleted. The last one to go puts back what was there before.

    A holder is known by a key that its state keeps. Its URN would not do: it changes with the name of the stack, of
    the project or of a parent, and Pulumi tells a provider nothing of that. By its URN is found what is in no state
    yet, so each holder's is kept as it was last seen.

    Callers hold the lock of the thing, but for `read`.
    """

    def __init__(self, session: SshSession, thing: tuple[str, str], urn: str, key: str | None) -> None:
        """Begin. `thing` is a kind's token and the identity within it; `key` what the state remembers of `hold`."""
        self._session = session
        self._thing = thing
        self._urn = urn
        self._known = key
        self._holders: dict[str, str] = {}
        self.managed: frozenset[str] = frozenset()
        """Every property that was managed at any time: those that are to be put back."""
        self.path = path_of(*thing)
        self.before: dict[str, Any] | None = None
        """The facts that were recorded, once `read`; None where there is no record."""
        self.touched = False
        """Whether anything may have been changed since: where nothing was, nothing is put back."""
        self._writing: Awaitable[None] | None = None
        self._earlier: tuple[dict[str, Any] | None, frozenset[str], bool] | None = None
        self.damaged = ""
        """Why what stands in the record can't be read, if it can't: an empty file after a power cut, say."""

    async def read(self) -> None:
        """Look at the record; all else speaks of what was found here."""
        found = await self._session.stat(self.path, content=True)
        if found is None:
            return
        try:
            content = json.loads(found.content or b"")
            before, holders = content["before"], content["holders"]
            if not isinstance(before, dict) or not isinstance(holders, dict) or not found.content:
                raise TypeError("it holds something else")
            known = {str(key): str(urn) for key, urn in cast("dict[Any, Any]", holders).items()}
            managed = frozenset(map(str, content.get("managed", ())))
        except (ValueError, KeyError, TypeError) as error:
            self.damaged = found.unreadable or f"{len(found.content or b'')} bytes that are no record: {error}"
            return
        self.before, self._holders, self.managed = cast("dict[str, Any]", before), known, managed
        self.touched = bool(content.get("touched", True))

    @property
    def key(self) -> str | None:
        """The key of this resource in the record; None where it holds nothing."""
        if self._known in self._holders:
            return self._known
        return next((key for key, urn in self._holders.items() if urn == self._urn), None)

    @property
    def others(self) -> list[str]:
        """The URNs of other resources that hold the thing, as they were last seen."""
        return [urn for key, urn in self._holders.items() if key != self.key]

    def hold(self, facts: dict[str, Any], managed: Iterable[str] = (), *, touched: bool) -> str:
        """Hold the thing; `facts` is what was there before, as far as it is known now. The key, for the state.

        `managed` are the properties that are about to be wished for; `touched`: it is about to be changed. The record
        is on its way when this returns: what is asked of the machine after is done only where it could be written.
        `held` says whether it could, and is to be awaited.
        """
        key = self.key or self._known or secrets.token_hex(8)
        more = self.managed.union(managed)
        self._earlier = (self.before, self.managed, self.touched)
        now = (facts, more, self.touched or touched)
        if self._holders.get(key) != self._urn or now != self._earlier:
            self._holders[key] = self._urn
            self.before, self.managed, self.touched = now
            self._writing = self._session.write_first(self.path, self._text())
        return key

    async def held(self) -> bool:
        """Tell whether the record was written by the first try; what was asked for since has not been done if not.

        In that case it is written now, with what it needs around it. HearthError where that can't be.
        """
        if self._writing is None:
            return True
        try:
            await self._writing
            return True
        except (ConnectionLost, DeadlineExceeded):
            raise
        except HearthError:
            await self._session.again()
            await self._write()
            return False
        finally:
            self._writing = None

    async def withdraw(self, *, held: bool) -> None:
        """Take back what `hold` noted: the change was refused, and nothing was changed. `held`: it was before that."""
        now = (self.before, self.managed, self.touched)
        self.before, self.managed, self.touched = earlier = self._earlier or now
        if not held:
            await self.release()
        elif earlier != now:
            await self._write()

    async def follow(self) -> None:
        """Note the URN that a holder has now: a creation in its place, whose state has no key, finds it by that."""
        key = self.key
        if key is not None and self._holders[key] != self._urn:
            self._holders[key] = self._urn
            await self._write()

    async def release(self) -> None:
        """Hold the thing no longer. The last one to do so removes the record, and the folders with the last record."""
        if self.others:
            del self._holders[str(self.key)]
            await self._write()
            return
        await self._session.remove(self.path)
        try:
            await self._session.remove(RECORDS)
            # Kinds' notes are of no use without a record: of a folder, say, that somebody else's things keep there.
            own = await self._session.stat(OWN_FOLDER, entries=True)
            for name in set((own.entries or ()) if own is not None else ()) - {posixpath.basename(RECORDS)}:
                await self._session.remove(f"{OWN_FOLDER}/{name}", recursive=True)
            await self._session.remove(OWN_FOLDER)
        except HearthError:  # others are in it still
            return

    def _text(self) -> bytes:
        content = {
            "thing": self._thing,
            "holders": self._holders,
            "managed": sorted(self.managed),
            "touched": self.touched,
            "before": self.before,
        }
        return json.dumps(content, indent=1).encode()

    async def _write(self) -> None:
        text = self._text()
        for attempt in range(5):
            try:
                await self._session.write(self.path, text, mode="0600", owner="root", group="root")
                return
            except HearthError:  # it is the first record here, or somebody has just removed the folder with the last
                if attempt == 4:
                    raise
                await asyncio.gather(make_own_folder(self._session), self._session.make_directory(RECORDS, **PRIVATE))
