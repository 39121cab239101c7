"""One SSH connection to one machine, with a few long-lived workers on it.

The user's own OpenSSH configuration, agent, jump hosts and known_hosts apply (asyncssh reads them); host keys are
always verified. No key is ever an input, so none reaches a state. A worker is `agent`, run by the machine's python3
as root: directly, or through `sudo -n`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncssh

from config.hosts import Host
from providers.errors import ConnectionFailed, ConnectionLost, HearthError
from providers.machine.forwards import Forwards
from providers.machine.refusals import no_worker, refusal, system_error

WORKERS = 4
"""Workers on one connection. sshd refuses the eleventh session of a connection, counting those that are still closing
(sshd_config(5), MaxSessions), and a person may be logged in through a shared connection as well."""
CONNECT_TIMEOUT = 15.0
PING_INTERVAL = 5.0
REFUSAL_STANDS = 4.0
"""Seconds for which a refusal answers everybody: a hundred resources must not each wait for a machine that is off."""


def _source() -> bytes:
    """The worker's two files as one text, in which the second need not import the first."""
    first, second = ((files("providers.machine") / name).read_text() for name in ("worker_files.py", "worker.py"))
    alone = re.sub(
        r"^from providers\.machine\.worker_files import \(.*?^\)\n", "", second, flags=re.MULTILINE | re.DOTALL
    )
    return f"{first}\n\n{alone}".encode()


_AGENT = _source()
# Reads its own program from stdin first, so that nothing of it stands in the process list but this line.
_BOOT = """\
import os
n = int(b"".join(iter(lambda: os.read(0, 1).strip(), b"")))
s = b""
while len(s) < n:
    piece = os.read(0, n - len(s))
    if not piece:
        raise SystemExit("the connection ended early")
    s += piece
exec(compile(s, "hearth", "exec"))
"""


class Worker:
    """One process on the machine. Requests are answered in order; several may be under way at once."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes], label: str) -> None:
        self._process = process
        self._label = label
        self._waiting: asyncio.Queue[asyncio.Future[dict[str, Any]]] = asyncio.Queue()
        self._unsent: list[bytes] = []
        self._reader = asyncio.create_task(self._read())
        self._pinger = asyncio.create_task(self._ping())
        self.lost = False

    async def call(self, op: str, **args: Any) -> Any:
        """The result of an operation; raises HearthError where the worker refuses, ConnectionLost where it is gone."""
        if self.lost:
            raise ConnectionLost(f"the connection to {self._label} has dropped")
        reply = await self._ask(op, args)
        if "result" in reply:
            return reply["result"]
        path = f" {args['path']}" if "path" in args else ""
        what = f"{op.replace('_', ' ')}{path} on {self._label}"
        if "refused" in reply:
            raise HearthError(f"{what} was refused: {reply['refused']}")
        raise system_error(what, reply)

    def tell(self, op: str) -> None:
        """Have an operation done before whatever is asked next, without waiting for its answer."""
        if not self.lost:
            # What went wrong is looked at, or asyncio would complain that nobody did.
            self._ask(op, {}).add_done_callback(lambda reply: reply.cancelled() or reply.exception())

    def _ask(self, op: str, args: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(future)
        self._send(json.dumps({"op": op, "args": args}).encode())
        return future

    def _send(self, data: bytes) -> None:
        """Send a request together with all others of this turn of the loop: a packet costs more than what is in it."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(b"%d\n" % len(data) + data)

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        with contextlib.suppress(OSError, asyncssh.Error):  # the reader notices, and tells those who wait
            self._process.stdin.write(data)

    async def _read(self) -> None:
        stdout = self._process.stdout
        begun = False
        try:
            while True:
                line = await stdout.readuntil(b"\n")
                if not begun and not line.strip().isdigit():
                    continue  # what the login's own start files say
                begun, size = True, int(line)
                reply = json.loads(await stdout.readexactly(size))
                future = self._waiting.get_nowait()
                if not future.done():  # whoever asked may have given up
                    future.set_result(reply)
        except (OSError, asyncssh.Error, asyncio.IncompleteReadError, ValueError, asyncio.QueueEmpty) as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.lost = True
        while not self._waiting.empty():
            future = self._waiting.get_nowait()
            if not future.done():
                future.set_exception(ConnectionLost(f"the connection to {self._label} has dropped", detail=why))

    async def _ping(self) -> None:
        while not self.lost:
            await asyncio.sleep(PING_INTERVAL)
            self._send(b"")

    def abandon(self) -> None:
        """Let go of it, whatever it is at: it ends by itself when that is done, and nobody waits for its answer."""
        self._pinger.cancel()
        self._reader.cancel()
        self._fail("it was given up")
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write_eof()
            self._process.close()


class Connection:
    """The connection to a machine and its workers, opened when first used."""

    def __init__(self, name: str, host: Host, ssh_config: str | None) -> None:
        self.name = name
        self.host = host
        login = f"{host.user}@" if host.user else ""
        self._target = f"{login}{host.address or name}"
        self.label = f"{name} ({self._target})" if self._target != name else name
        self._ssh_config = ssh_config
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._idle: list[Worker] = []
        self._places = asyncio.Semaphore(WORKERS)
        self._machine_id: str | None = None
        self._refused: tuple[float, ConnectionFailed | ConnectionLost] | None = None
        self._worked = False
        self.locks: dict[str, asyncio.Lock] = {}
        self._forwards = Forwards(self.label)
        self.find: Callable[[str], Connection] | None = None
        """The connection to another machine of the settings; raises InvalidInput where there is none of that name."""

    async def forward(self, host: str, port: int, *, timeout: float) -> Path:
        """A socket in a folder of our own that leads to `port` of `host`, as the machine sees them.

        `timeout` is in seconds. Raises NotAnswering where nothing accepts a connection there.
        """
        return await self._forwards.socket(await self._connected(), host, port, timeout)

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker]:
        """A worker for one operation, back in the pool afterwards. Raises ConnectionFailed or ConnectionLost."""
        async with self._places:
            worker = await self._take()
            try:
                yield worker
            except BaseException as error:
                # What was cancelled may still be running on the machine: its worker ends when it is done.
                if isinstance(error, asyncio.CancelledError | ConnectionLost):
                    worker.abandon()
                raise
            finally:
                if not worker.lost:
                    self._idle.append(worker)

    async def machine_id(self) -> str:
        """The machine's own identity (machine-id(5)), which a change of address leaves alone."""
        if self._machine_id is None:
            async with self.worker():
                pass  # each worker says where it is when it starts
        assert self._machine_id is not None
        return self._machine_id

    async def close(self) -> None:
        for worker in self._idle:
            worker.abandon()
        self._idle.clear()
        self._forwards.close()
        if self._ssh is not None:
            self._ssh.close()
            with contextlib.suppress(OSError, asyncssh.Error):
                await asyncio.wait_for(self._ssh.wait_closed(), 3)

    async def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if not worker.lost:
                return worker
        ssh = await self._connected()
        return await self._start_worker(ssh)

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if self._ssh is not None and not self._ssh.is_closed():
            return self._ssh
        if self._refused is not None and time.monotonic() - self._refused[0] < REFUSAL_STANDS:
            raise self._refused[1]
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> asyncssh.SSHClientConnection:
        host = self.host
        options: dict[str, Any] = {"keepalive_interval": 5, "keepalive_count_max": 3}
        if host.user is not None:
            options["username"] = host.user
        if host.port is not None:
            options["port"] = host.port
        if self._ssh_config is not None:
            options["config"] = [self._ssh_config]
        try:
            self._ssh = await asyncssh.connect(
                host.address or self.name, connect_timeout=CONNECT_TIMEOUT, login_timeout=CONNECT_TIMEOUT, **options
            )
        except (OSError, asyncssh.Error, ValueError) as error:  # ValueError: a key or an ssh_config that can't be read
            failure: ConnectionFailed | ConnectionLost
            failure = refusal(error, self.label, self._by_hand(), CONNECT_TIMEOUT)
            if self._worked and not isinstance(error, asyncssh.HostKeyNotVerifiable):
                # It let us in a moment ago: its network is cut, or it starts again.
                failure = ConnectionLost(failure.summary, detail=failure.detail, remedy=failure.remedy)
            self._refused = (time.monotonic(), failure)
            raise failure from None
        return self._ssh

    def _by_hand(self) -> str:
        """What a person types to try the same."""
        words = ["ssh", *(("-F", self._ssh_config) if self._ssh_config else ()), self._target]
        return " ".join([*words, *(("-p", str(self.host.port)) if self.host.port else ())])

    async def _start_worker(self, ssh: asyncssh.SSHClientConnection) -> Worker:
        command = shlex.join([self.host.python, "-I", "-c", _BOOT])
        if self.host.needs_sudo(str(ssh.get_extra_info("username"))):
            command = f"sudo -n -- {command}"
        try:
            process = await ssh.create_process(command, encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise ConnectionLost(f"no session could be opened on {self.label}", detail=str(error)) from None
        with contextlib.suppress(OSError, asyncssh.Error):  # it may have ended at once: the call below says why
            process.stdin.write(b"%d\n" % len(_AGENT) + _AGENT)
        worker = Worker(process, self.label)
        try:
            self._machine_id = str((await worker.call("identity"))["id"])
            self._worked = True
        except ConnectionLost as error:
            raise await self._why_no_worker(process, str(ssh.get_extra_info("username")), error) from None
        except HearthError:
            worker.abandon()
            raise
        return worker

    async def _why_no_worker(
        self, process: asyncssh.SSHClientProcess[bytes], user: str, error: ConnectionLost
    ) -> ConnectionFailed | ConnectionLost:
        try:
            text = (await asyncio.wait_for(process.stderr.read(4096), 3)).decode(errors="replace")
        except (TimeoutError, OSError, asyncssh.Error):
            text = ""
        return no_worker(text, user, self.label, self.host.python) if text else error
