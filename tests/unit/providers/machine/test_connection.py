"""The connection to a machine and its workers, with the network and the machine played by hand."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, cast

import asyncssh
import pytest

from config.hosts import Host
from providers.errors import ConnectionFailed, ConnectionLost, DeadlineExceeded, HearthError, NotAnswering
from providers.machine import connection as connection_module
from providers.machine.connection import Connection
from providers.machine.remote_worker import READY, Worker
from providers.machine.ssh_session import SshSession


async def test_a_machine_that_is_off_answers_everybody_at_once(monkeypatch: pytest.MonkeyPatch):
    tries: list[str] = []

    async def connect(host: str, **_options: Any) -> None:
        tries.append(host)
        await asyncio.sleep(0)
        raise OSError("No route to host")

    monkeypatch.setattr(connection_module.asyncssh, "connect", connect)
    connection = Connection("box", Host(), None)
    answers = await asyncio.gather(*(connection.machine_id() for _ in range(40)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {ConnectionFailed}
    assert len(tries) == 1


class Pipe:
    """The standard streams of a worker; answers are fed by hand."""

    def __init__(self, answer: str = "") -> None:
        self.stdout, self.sent = asyncio.StreamReader(), list[bytes]()
        self.stdin = self
        self._answer, self.begun = answer, False

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        if self._answer and len(self.sent) == 2:  # the first is the worker's own source
            self.reply(self._answer)

    def write_eof(self) -> None:
        return

    def close(self) -> None:
        return

    def reply(self, text: str) -> None:
        if not self.begun:
            self.stdout.feed_data(READY)
            self.begun = True
        self.stdout.feed_data(b"%d\n" % len(text) + text.encode())


class Ssh:
    """A connection whose every session is a worker that can say who it is, until `closed`."""

    def __init__(self) -> None:
        self.closed = False
        self.pipes: list[Pipe] = []

    def is_closed(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> str:
        return "root"

    async def create_process(self, _command: str, **_options: Any) -> Pipe:
        self.pipes.append(Pipe(answer='{"result": {"id": "id-of-box"}}'))
        return self.pipes[-1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError("No route to host"), ConnectionLost),
        (TimeoutError(), ConnectionLost),
        (asyncssh.PermissionDenied("the system is booting up"), ConnectionLost),
        (asyncssh.HostKeyNotVerifiable("another key"), ConnectionFailed),
    ],
)
async def test_a_machine_that_let_us_in_and_is_away_is_sought_again_but_not_behind_another_key(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[HearthError]
):
    ssh = Ssh()

    async def connect(_host: str, **_options: Any) -> Ssh:
        if ssh.closed:
            raise error
        return ssh

    monkeypatch.setattr(connection_module.asyncssh, "connect", connect)
    connection = Connection("box", Host(), None)
    assert await connection.machine_id() == "id-of-box"
    ssh.closed = True
    for pipe in ssh.pipes:
        pipe.stdout.feed_eof()
    await asyncio.sleep(0.01)
    with pytest.raises(kind):
        async with connection.worker():
            pytest.fail("there is no worker")


@pytest.mark.parametrize("at_work", [0, 1])
async def test_a_connection_that_drops_as_a_session_is_opened_is_sought_again_and_no_limit_of_sessions(
    monkeypatch: pytest.MonkeyPatch, at_work: int
):
    class Drops(Ssh):
        """asyncssh refuses the channel of a connection that is gone, and calls that closed a turn later."""

        async def create_process(self, _command: str, **_options: Any) -> Pipe:
            if len(self.pipes) < at_work:
                return await super().create_process(_command, **_options)
            asyncio.get_running_loop().call_soon(setattr, self, "closed", True)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "SSH connection closed")

    made: list[Ssh] = []

    async def connect(_host: str, **_options: Any) -> Ssh:
        made.append(Ssh() if made else Drops())
        return made[-1]

    monkeypatch.setattr(connection_module.asyncssh, "connect", connect)
    connection = Connection("box", Host(), None)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(at_work):
            await stack.enter_async_context(connection.worker())
        with pytest.raises(ConnectionLost, match="the connection to box has dropped"):
            await stack.enter_async_context(connection.worker())
    for pipe in made[0].pipes:
        pipe.stdout.feed_eof()
    await asyncio.sleep(0.01)
    async with connection.worker():
        assert len(made) == 2


async def test_an_answer_that_nobody_waits_for_any_more_harms_no_other():
    pipe: Any = Pipe()
    worker = Worker(pipe, "box")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(worker.call("stat", path="/hangs"), 0.01)
    pipe.reply('{"result": "late"}')
    later = asyncio.create_task(worker.call("stat", path="/fine"))
    await asyncio.sleep(0)
    pipe.reply('{"result": "mine"}')
    assert await asyncio.wait_for(later, 10) == "mine"
    worker.abandon()


async def test_a_worker_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("providers.machine.ssh_session.MARGIN", 0.0)
    pipe: Any = Pipe()
    worker = Worker(pipe, "box")
    session = SshSession("box", worker, asyncio.get_running_loop().time() + 0.05, print, print)
    with pytest.raises(DeadlineExceeded, match="did not answer `stat`"):
        await session.stat("/hangs")
    assert worker.lost
    with pytest.raises(ConnectionLost):
        await worker.call("stat", path="/x")


async def test_what_the_logins_start_files_say_is_no_answer():
    pipe: Any = Pipe()
    worker = Worker(pipe, "box")
    pipe.stdout.feed_data(b"Welcome to box!\n\n")
    asked = asyncio.create_task(worker.call("identity"))
    await asyncio.sleep(0)
    pipe.reply('{"result": "mine"}')
    assert await asyncio.wait_for(asked, 10) == "mine"
    worker.abandon()


async def test_everybody_who_waits_hears_that_the_connection_has_dropped():
    pipe: Any = Pipe()
    worker = Worker(pipe, "box")
    waiting = [asyncio.create_task(worker.call("stat", path=str(number))) for number in range(3)]
    await asyncio.sleep(0)
    pipe.stdout.feed_eof()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ConnectionLost}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            '{"error": "No space left on device", "errno": 28, "path": ""}',
            "write /etc/motd on box failed: No space left on device",
        ),
        ('{"refused": "the user \'x\' does not exist"}', "write /etc/motd on box was refused: the user 'x'"),
    ],
)
async def test_an_error_of_the_machine_names_operation_path_and_machine(reply: str, told: str):
    pipe: Any = Pipe()
    worker = Worker(pipe, "box")
    pipe.reply(reply)
    with pytest.raises(HearthError, match=told):
        await worker.call("write", path="/etc/motd", content="")
    worker.abandon()


@pytest.mark.parametrize(
    "address", ["", "nonsense", "127.0.0.1:8008", "ftp://a", "http://", "http://[::1", "http://a:port", "http://a\n"]
)
async def test_an_address_that_leads_nowhere_is_an_error_in_words(address: str):
    """One comes from a machine too: from a service's own configuration, or its database."""
    session = SshSession("box", cast(Any, None), time.monotonic() + 5, print, print)
    with pytest.raises(NotAnswering, match="is no address of a web server"):
        await session.http(address)
