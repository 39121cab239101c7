"""`Session` over SSH: one worker, for as long as one operation on one resource takes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from providers.errors import CommandFailed, DeadlineExceeded, HearthError
from providers.session import Account, Completed, Stat

if TYPE_CHECKING:
    from providers.host.connection import Worker

FOLDER = "/var/lib/hearth"
RECORDS = f"{FOLDER}/records"
"""Where a machine keeps what was there before each resource; root alone may read it."""
MARGIN = 15.0
"""Seconds that an answer may come after the deadline: the machine ends by itself what is late, and then tells so."""

Tell = Callable[[str], None]


def _encoded(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class SshSession:
    """Carries out a kind's calls; see `providers.session.Session` for what they mean.

    `deadline` is a moment of `time.monotonic()`. `progress` and `warn` reach the person who runs Pulumi.
    """

    def __init__(self, machine: str, worker: Worker, deadline: float, progress: Tell, warn: Tell) -> None:
        self._machine = machine
        self._worker = worker
        self._deadline = deadline
        self._progress = progress
        self._warn = warn

    @property
    def machine(self) -> str:
        return self._machine

    def progress(self, message: str) -> None:
        self._progress(message)

    def warn(self, message: str) -> None:
        self._warn(message)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"the deadline has passed on {self._machine}",
                remedy="see what holds it up there, or give the resource more time with custom_timeouts",
            )
        return left

    async def _call(self, op: str, **args: Any) -> Any:
        limit = self._left() + MARGIN
        try:
            return await asyncio.wait_for(self._worker.call(op, **args), limit)
        except TimeoutError:
            # What hangs there (a dead network file system, say) would hold up whoever gets this worker next.
            self._worker.abandon()
            raise DeadlineExceeded(
                f"{self._machine} did not answer `{op}` within the deadline",
                remedy="see on the machine what it waits for (ps axo pid,stat,wchan:30,args | grep ' D')",
            ) from None

    async def stat(self, path: str, *, content: bool = False, entries: bool = False) -> Stat | None:
        found = await self._call("stat", path=path, content=content, entries=entries)
        if found is None:
            return None
        data = found.pop("content", None)
        names = found.pop("entries", None)
        return Stat(
            **found,
            content=None if data is None else base64.b64decode(data),
            entries=None if names is None else tuple(names),
        )

    async def write(
        self, path: str, content: bytes, *, mode: str | None = None, owner: str | None = None, group: str | None = None
    ) -> None:
        await self._call("write", path=path, content=_encoded(content), mode=mode, owner=owner, group=group)

    async def set_attributes(
        self, path: str, *, mode: str | None = None, owner: str | None = None, group: str | None = None
    ) -> None:
        await self._call("set_attributes", path=path, mode=mode, owner=owner, group=group)

    async def symlink(self, path: str, target: str) -> None:
        await self._call("symlink", path=path, target=target)

    async def make_directory(self, path: str, *, mode: str, owner: str, group: str) -> None:
        await self._call("make_directory", path=path, mode=mode, owner=owner, group=group)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        await self._call("remove", path=path, recursive=recursive)

    async def account(self, name: str) -> Account | None:
        found = await self._call("account", name=name)
        if found is None:
            return None
        groups: list[str] = found.pop("groups")
        return Account(**found, groups=tuple(groups))

    async def run(
        self,
        *argv: str,
        stdin: str | bytes = b"",
        script: str | None = None,
        user: str | None = None,
        cwd: str | None = None,
        check: bool = True,
        timeout: float | None = None,
        environment: dict[str, str] | None = None,
    ) -> Completed:
        limit = min(self._left(), timeout if timeout is not None else float("inf"))
        reply = await self._call(
            "run",
            argv=argv,
            stdin=_encoded(stdin),
            script=None if script is None else _encoded(script),
            user=user,
            cwd=cwd,
            timeout=limit,
            environment=environment,
        )
        line = " ".join(argv) + (" (a script)" if script is not None else "")
        by = f" as {user}" if user else ""
        if reply["late"]:
            raise DeadlineExceeded(
                f"`{line}`{by} on {self._machine} took longer than {limit:.0f} s and was ended",
                detail=reply["stderr"] or reply["stdout"],
                remedy="see what holds it up on the machine, or give the resource more time with custom_timeouts",
            )
        if check and reply["status"] != 0:
            raise CommandFailed(
                f"`{line}`{by} on {self._machine} ended with status {reply['status']}",
                status=reply["status"],
                detail=reply["stderr"] or reply["stdout"],
                remedy="put right what the lines above name, then run up again: it goes on from there",
            )
        return Completed(reply["status"], reply["stdout"], reply["stderr"])

    async def lock(self, names: Sequence[str]) -> None:
        """Hold locks among all programs that use Hearth on this machine, until the worker is told to unlock or ends."""
        reply = await self._call("lock", names=list(names), timeout=self._left())
        if "busy" in reply:
            raise DeadlineExceeded(
                f"{reply['holder']} on {self._machine} still holds Hearth's lock `{reply['busy']}`",
                remedy="another `pulumi up` is at work there, or one that was killed is finishing its last command:"
                " wait for it and run up again",
            )


class Record:
    """What was there before a resource was created, kept on the machine until it has been restored.

    It is written before anything is changed: a creation that was cut short is in no Pulumi state, and the next one
    must find what was there first, and not take its own half-done work for it.

    One thing may have records of several resources: one that got another name or parent in the program is, to Pulumi,
    a new resource made before the old one is deleted. The old one then hands its record over instead of restoring.
    """

    def __init__(self, session: SshSession, urn: str, token: str, identity: str) -> None:
        self._session = session
        self._urn = urn
        self._identity = identity
        self._thing = _digest(token, identity)
        self._name = f"{self._thing}-{_digest(urn)}.json"
        self.path = f"{RECORDS}/{self._name}"

    async def read(self) -> dict[str, Any] | None:
        """The facts that were recorded; None where there is no record."""
        found = await self._session.stat(self.path, content=True)
        return None if found is None or found.content is None else json.loads(found.content)["before"]

    async def write(self, before: dict[str, Any]) -> None:
        text = json.dumps({"urn": self._urn, "id": self._identity, "before": before}, indent=1)
        folder = {"mode": "0700", "owner": "root", "group": "root"}
        for attempt in range(5):
            try:
                await self._session.write(self.path, text.encode(), mode="0600", owner="root", group="root")
                return
            except HearthError:  # it is the first record here, or somebody has just removed the folder with the last
                if attempt == 4:
                    raise
                await asyncio.gather(
                    self._session.make_directory(FOLDER, **folder), self._session.make_directory(RECORDS, **folder)
                )

    async def hand_over(self, before: dict[str, Any]) -> bool:
        """Give `before` to another resource that has the same thing; whether there was one."""
        others = await self._others()
        for path, record in others:
            handed = [*record.get("handed", []), self._urn]
            await self._session.write(
                path, json.dumps({**record, "before": before, "handed": handed}, indent=1).encode()
            )
        return bool(others)

    async def inherit(self) -> dict[str, Any] | None:
        """Take over what was recorded under the name that this resource had before (Pulumi's `aliases`).

        Pulumi tells a provider nothing of an alias. But where a resource that exists has no record, one of the same
        thing in the same stack is its own, unless the resource itself has handed it over.
        """
        for path, record in await self._others():
            if record["urn"].split("::")[:2] == self._urn.split("::")[:2] and self._urn not in record.get("handed", []):
                await self.write(record["before"])
                await self._session.remove(path)
                return record["before"]
        return None

    async def _others(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and content of the records that other resources have of the same thing."""
        folder = await self._session.stat(RECORDS, entries=True)
        names = folder.entries if folder is not None and folder.entries is not None else ()
        found: list[tuple[str, dict[str, Any]]] = []
        for name in names:
            if name.startswith(f"{self._thing}-") and name != self._name:
                record = await self._session.stat(f"{RECORDS}/{name}", content=True)
                if record is not None and record.content is not None:
                    found.append((f"{RECORDS}/{name}", json.loads(record.content)))
        return found

    async def remove(self) -> None:
        """Remove the record, and the folders with the last one."""
        await self._session.remove(self.path)
        for folder in (RECORDS, FOLDER):
            try:
                await self._session.remove(folder)
            except HearthError:  # others are in it still
                return


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
