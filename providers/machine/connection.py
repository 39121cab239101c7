"""One SSH connection to one machine, with a few long-lived workers on it.

The user's own OpenSSH configuration, agent, jump hosts and known_hosts apply (asyncssh reads them); host keys are
always verified. No key is ever an input, so none reaches a state. A worker is run by the machine's python3 as root:
directly, or through `sudo -n`. Every wait has an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from config.hosts import Host
from providers.errors import ConnectionFailed, ConnectionLost, HearthError
from providers.machine import refusals
from providers.machine.forwards import Forwards
from providers.machine.outage import Outage
from providers.machine.remote_worker import BOOT, Worker, program
from providers.machine.restart import Calm
from providers.machine.ssh_library import asyncssh

WORKERS = 4
"""Workers on one connection, where sshd allows as many sessions. It refuses the eleventh of a connection, counting
those that are still closing, and an administrator may have set less (sshd_config(5), MaxSessions)."""
CONNECT_TIMEOUT = 15.0  # seconds, as the next
OPENING_TIMEOUT = 2 * CONNECT_TIMEOUT
"""Seconds for the whole way in: a jump host or a ProxyCommand may hang where neither step of ours does."""
START_TIMEOUT = 45.0
"""Seconds from a session's opening to the worker's first answer: a small machine that is just starting everything that
it has is slow with Python, too."""
PROBE_TIMEOUT = 5.0  # seconds
REFUSAL_STANDS = 4.0
"""Seconds for which a refusal answers everybody: a hundred resources must not each wait for a machine that is off."""


class NoMoreSessions(Exception):
    """sshd lets a connection have no more sessions than it has."""


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
        self._workers: list[Worker] = []
        self.outage = Outage(self.label)
        self.calm = Calm()
        self.locks: dict[str, asyncio.Lock] = {}
        self._forwards = Forwards(self.label)
        self.find: Callable[[str], Connection] | None = None
        """The connection to another machine of the settings; raises InvalidInput where there is none of that name."""

    async def forward(self, host: str, port: int, *, timeout: float) -> Path:
        """Return a socket in a folder of our own that leads to `port` of `host`, as the machine sees them.

        `timeout` is in seconds. Raises NotAnswering where nothing accepts a connection there.
        """
        return await self._forwards.socket(await self._connected(), host, port, timeout)

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker]:
        """Yield a worker for one operation, back in the pool afterwards. Raises ConnectionFailed or ConnectionLost."""
        while True:
            await self._places.acquire()
            try:
                worker = await self._take()
                break
            except NoMoreSessions:
                continue  # its place is not given back: from now on there are fewer
            except BaseException:
                self._places.release()
                raise
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
            self._places.release()

    def _named(self, failure: Any) -> Any:
        failure.machine = self.label
        return failure

    async def machine_id(self) -> str:
        """Return the machine's own identity (machine-id(5)), which a change of address leaves alone."""
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
        self.outage.refuse()
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
        address = host.address or self.name
        limit = max(1.0, min(OPENING_TIMEOUT, self.outage.seconds_left))
        timeouts = {"connect_timeout": CONNECT_TIMEOUT, "login_timeout": CONNECT_TIMEOUT}
        try:
            self._ssh = await asyncio.wait_for(asyncssh.connect(address, **timeouts, **options), limit)
        except (OSError, asyncssh.Error, ValueError) as error:  # ValueError: a key or an ssh_config that can't be read
            failure: ConnectionFailed | ConnectionLost
            failure = self._named(refusals.refusal(error, self.label, self._by_hand(), CONNECT_TIMEOUT))
            if self._worked and not isinstance(error, asyncssh.HostKeyNotVerifiable):
                # It let us in a moment ago: its network is cut, or it starts again.
                failure = self._named(ConnectionLost(failure.summary, detail=failure.detail, remedy=failure.remedy))
            self._refused = (time.monotonic(), failure)
            raise failure from None
        self._refused = None
        return self._ssh

    def _by_hand(self) -> str:
        """Return what a person types to try the same."""
        words = ["ssh", *(("-F", self._ssh_config) if self._ssh_config else ()), self._target]
        return " ".join([*words, *(("-p", str(self.host.port)) if self.host.port else ())])

    async def _start_worker(self, ssh: asyncssh.SSHClientConnection) -> Worker:
        command = shlex.join([self.host.python, "-I", "-X", "utf8", "-c", BOOT])
        if self.host.needs_sudo(str(ssh.get_extra_info("username"))):
            command = f"sudo -n -- {command}"
        process = await self._session(ssh, command)
        worker = Worker(process, self.label)
        self._workers = [each for each in self._workers if not each.lost] + [worker]
        with contextlib.suppress(OSError, asyncssh.Error):  # it may have ended at once: the call below says why
            process.stdin.write(program())
        try:
            found = await asyncio.wait_for(worker.call("identity"), START_TIMEOUT)
        except TimeoutError:
            failure = await self._why_no_worker(ssh, worker, process)
            worker.abandon()
            raise failure from None
        except ConnectionLost:
            raise await self._why_no_worker(ssh, worker, process) from None
        except HearthError:
            worker.abandon()
            raise
        self._machine_id = str(found["id"])
        self._worked = True
        return worker

    async def _session(self, ssh: asyncssh.SSHClientConnection, command: str) -> asyncssh.SSHClientProcess[bytes]:
        """Open a session. NoMoreSessions where sshd allows no more beside those that there are."""
        for pause in (0.3, 1.0, None):
            try:
                return await asyncio.wait_for(ssh.create_process(command, encoding=None), START_TIMEOUT)
            except asyncssh.ChannelOpenError as error:
                if await refusals.dropped(ssh):
                    raise self._named(ConnectionLost(f"the connection to {self.label} has dropped")) from None
                if any(not each.lost for each in self._workers):
                    raise NoMoreSessions from None
                if pause is None:
                    raise self._named(refusals.no_session(self.label, error)) from None
                await asyncio.sleep(pause)  # sessions of a moment ago may be closing still
            except (OSError, asyncssh.Error) as error:
                failure = ConnectionLost(f"no session could be opened on {self.label}", detail=str(error))
                raise self._named(failure) from None
        raise AssertionError("the last try returns or raises")

    async def _why_no_worker(
        self, ssh: asyncssh.SSHClientConnection, worker: Worker, process: asyncssh.SSHClientProcess[bytes]
    ) -> ConnectionFailed | ConnectionLost:
        """Find out what stands in the way where the login works, and no worker answers."""
        said = worker.prelude
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            said += b"\n" + await asyncio.wait_for(process.stderr.read(4096), 3)
        text = said.decode(errors="replace").strip()
        runs = await self._runs_commands(ssh)
        if runs is None:
            return self._named(ConnectionLost(f"the connection to {self.label} has dropped", detail=text))
        user = str(ssh.get_extra_info("username"))
        status = process.exit_status
        return self._named(refusals.no_worker(text, user, self.label, self.host.python, runs=runs, status=status))

    async def _runs_commands(self, ssh: asyncssh.SSHClientConnection) -> bool | None:
        """Return whether the machine runs the commands that it is given; None where the connection is gone."""
        try:
            done = await asyncio.wait_for(ssh.run("echo hearth-lives", stdin=asyncssh.DEVNULL), PROBE_TIMEOUT)
        except TimeoutError:
            return False
        except asyncssh.ChannelOpenError:
            return None if await refusals.dropped(ssh) else True  # no session left to ask with
        except (OSError, asyncssh.Error):
            return None
        return "hearth-lives" in str(done.stdout).split()
