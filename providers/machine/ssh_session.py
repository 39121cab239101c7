"""`Session` over SSH: one worker, for as long as one operation on one resource takes."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from providers.errors import CommandFailed, DeadlineExceeded, InvalidInput, NotAnswering
from providers.machine.own_folder import OWN_FOLDER
from providers.machine.restart import restart
from providers.machine.session import Account, Completed, Stat

if TYPE_CHECKING:
    import httpx

    from providers.machine.connection import Connection, Worker

MARGIN = 15.0
"""Seconds that an answer may come after the deadline: the machine ends by itself what is late, and then tells so."""

HTTP_TIMEOUT = 60.0
"""Seconds that one answer over HTTP may take."""

Tell = Callable[[str], None]


def _encoded(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class SshSession:
    """Carries out a kind's calls; see `providers.machine.session.Session` for what they mean.

    `deadline` is a moment of `time.monotonic()`. `progress` and `warn` reach the person who runs Pulumi.
    """

    def __init__(
        self,
        machine: str,
        worker: Worker,
        deadline: float,
        progress: Tell,
        warn: Tell,
        connection: Connection | None = None,
        *,
        tidy: bool = False,
    ) -> None:
        self._tidy = tidy
        self.changed = False
        """Whether a file or folder of the machine's has been changed in this session."""
        self._machine = machine
        self._connection = connection
        self._worker = worker
        self._deadline = deadline
        self._progress = progress
        self._warn = warn
        self._first: asyncio.Future[None] | None = None

    @property
    def machine(self) -> str:
        return self._machine

    def looking(self) -> SshSession:
        return SshSession(
            self._machine, self._worker, self._deadline, self._progress, self._warn, self._connection, tidy=True
        )

    def progress(self, message: str) -> None:
        self._progress(message)

    def warn(self, message: str) -> None:
        self._warn(message)

    def grant(self, seconds: float) -> None:
        """Give the session at least so many seconds from now: a record must be let go after the deadline, too."""
        self._deadline = max(self._deadline, time.monotonic() + seconds)

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
        return await self._answer(op, self._worker.ask(op, **args), limit)

    async def _answer(self, op: str, asked: Awaitable[Any], limit: float) -> Any:
        try:
            async with asyncio.timeout(limit):
                return await asked
        except TimeoutError:
            # What hangs there (a dead network file system, say) would hold up whoever gets this worker next.
            self._worker.abandon()
            raise DeadlineExceeded(
                f"{self._machine} did not answer `{op}` within the deadline",
                remedy="see on the machine what it waits for (ps axo pid,stat,wchan:30,args | grep ' D')",
            ) from None

    async def stat(
        self,
        path: str,
        *,
        content: bool = False,
        entries: bool = False,
        owner: str | None = None,
        group: str | None = None,
        limit: int | None = None,
    ) -> Stat | None:
        given = {"owner": owner, "group": group, "limit": limit}
        more = {name: value for name, value in given.items() if value is not None}
        found = await self._call("stat", path=path, content=content, entries=entries, **more)
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
        self,
        path: str,
        content: bytes,
        *,
        mode: str | None = None,
        owner: str | None = None,
        group: str | None = None,
        attributes: Mapping[str, str] | None = None,
        modified: int | None = None,
        in_place: bool = False,
    ) -> None:
        args: dict[str, Any] = {"mode": mode, "owner": owner, "group": group}
        if modified is not None:
            args["modified"] = modified
        if attributes is not None:
            args["attributes"] = dict(attributes)
        if in_place:
            args["in_place"] = True
        await self._change("write", path, content=_encoded(content), **args)

    def _refuse_a_change(self, op: str, what: str) -> None:
        if self._tidy:
            raise RuntimeError(f"a look at {self._machine} asked for `{op}` of {what}, and a look changes nothing")

    async def _change(self, op: str, path: str, **args: Any) -> None:
        self._refuse_a_change(op, path)
        await self._call(op, path=path, **args)
        # What Hearth keeps for itself is no change of what is managed.
        own = path == OWN_FOLDER or path.startswith((f"{OWN_FOLDER}/", "/run/hearth"))
        self.changed = self.changed or not own

    async def set_attributes(
        self, path: str, *, mode: str | None = None, owner: str | None = None, group: str | None = None
    ) -> None:
        await self._change("set_attributes", path, mode=mode, owner=owner, group=group)

    async def symlink(self, path: str, target: str) -> None:
        await self._change("symlink", path, target=target)

    async def make_directory(self, path: str, *, mode: str, owner: str, group: str) -> None:
        await self._change("make_directory", path, mode=mode, owner=owner, group=group)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        await self._change("remove", path, recursive=recursive)

    async def tree(self, op: str, path: str, **args: Any) -> Any:
        if op != "look":
            self._refuse_a_change(f"tree {op}", path)
        found = await self._call(f"tree_{op}", path=path, **args)
        self.changed = self.changed or op in ("piece", "put", "restore") or (op == "begin" and "refused" not in found)
        return found

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
            **({"tidy": True} if self._tidy and user is not None else {}),
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

    async def http(self, base_url: str) -> httpx.AsyncClient:
        # Only where it is used: loading it takes longer than the rest of the plugin's start.
        import httpx

        try:
            url = httpx.URL(base_url)
            port = url.port or {"http": 80, "https": 443}[url.scheme]
            if not url.host:
                raise httpx.InvalidURL("no host")
        except (httpx.InvalidURL, KeyError):
            raise NotAnswering(
                f"{base_url!r} is no address of a web server",
                remedy="correct it where it is set: http:// or https://, a host, and a port",
            ) from None
        await self._beside()
        if self._connection is None:
            raise NotAnswering(f"{base_url} is out of reach: this session has no connection to forward")
        socket = await self._connection.forward(url.host, port, timeout=self._left())
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            base_url=base_url,
            timeout=min(HTTP_TIMEOUT, self._left()),
        )

    @asynccontextmanager
    async def elsewhere(self, machine: str) -> AsyncGenerator[SshSession]:
        if machine == self._machine:
            yield self
            return
        if self._connection is None or self._connection.find is None:
            raise InvalidInput(f"this session on {self._machine} knows no other machine, so not {machine} either")
        await self._beside()
        other = self._connection.find(machine)
        async with other.worker() as worker:
            yield SshSession(machine, worker, self._deadline, self._progress, self._warn, other, tidy=self._tidy)

    async def restart(self) -> bool:
        self._refuse_a_change("restart", self._machine)
        connection = self._connection
        if connection is None:
            raise InvalidInput(f"this session on {self._machine} has no connection to wait for a restart with")
        return await restart(self, connection.calm, connection.outage.announced)

    def write_first(self, path: str, content: bytes) -> Awaitable[None]:
        """Write a file for root alone, on which all depends that is asked for after: where it fails, none is done.

        It is asked for at once, so that what follows need not wait for the answer. `again` begins anew.
        """
        limit = self._left() + MARGIN
        private = {"path": path, "content": _encoded(content), "mode": "0600", "owner": "root", "group": "root"}
        self._first = asyncio.ensure_future(
            self._answer("write", self._worker.ask("first", op="write", args=private), limit)
        )
        # Whoever wrote it learns what went wrong; what waits for it besides must not be told of twice.
        self._first.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._first

    async def again(self) -> None:
        """Have things done again after what they depended on has failed."""
        self._first = None
        await self._call("again")

    async def _beside(self) -> None:
        """Wait for what all depends on: for what the worker does not do itself, and so does not hold back."""
        if self._first is not None:
            await asyncio.shield(self._first)

    def try_lock(self, names: Sequence[str]) -> Awaitable[bool]:
        """Ask for locks at once, and tell whether they are held; where one is busy, none is."""
        limit = self._left() + MARGIN
        asked = self._worker.ask("lock", names=list(names), timeout=0)

        async def held() -> bool:
            return "busy" not in await self._answer("lock", asked, limit)

        return held()

    async def lock(self, names: Sequence[str]) -> None:
        """Hold locks among all programs that use Hearth on this machine, until the worker is told to unlock or ends."""
        reply = await self._call("lock", names=list(names), timeout=self._left())
        if "busy" in reply:
            raise DeadlineExceeded(
                f"{reply['holder']} on {self._machine} still holds Hearth's lock `{reply['busy']}`",
                remedy="another `pulumi up` is at work there, or one that was killed is finishing its last command:"
                " wait for it and run up again",
            )
