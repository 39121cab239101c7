"""HTTP through an SSH connection, with a real SSH server and a real HTTP service on this computer."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import httpx
import pytest

from providers.errors import ConnectionLost, NotAnswering
from providers.machine.forwards import Forwards

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


@dataclass
class Machine:
    """An SSH server that lets `user` in, and forwards unless `forbids`; and a service that answers `hello`."""

    forbids: bool = False
    asked: list[bytes] = field(default_factory=list)
    ssh: asyncssh.SSHClientConnection = field(init=False)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.read(4096))
        writer.write(ANSWER)
        writer.close()


@pytest.fixture
async def machine() -> AsyncGenerator[Machine]:
    found = Machine()

    class Door(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def connection_requested(self, host: str, port: int, origin: str, origin_port: int) -> bool:
            if found.forbids:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "forbidden")
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Door, server_host_keys=[key])
    service = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = service.sockets[0].getsockname()[1]
    found.ssh = await asyncssh.connect("127.0.0.1", server.get_port(), known_hosts=None, username="user", config=None)
    yield found
    found.ssh.close()
    service.close()
    server.close()


async def test_a_service_on_the_machine_answers_through_a_socket_that_only_its_owner_reaches(machine: Machine):
    forwards = Forwards("box")
    socket = await forwards.socket(machine.ssh, "127.0.0.1", machine.port, 5)
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as client:
        assert (await client.get("http://127.0.0.1/x")).text == "hello"
    assert b"GET /x HTTP/1.1" in machine.asked[-1]
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    forwards.close()
    assert not socket.parent.exists()


async def test_one_socket_serves_all_who_ask_for_the_same_port(machine: Machine):
    forwards = Forwards("box")
    ask = [forwards.socket(machine.ssh, "127.0.0.1", machine.port, 5) for _ in range(5)]
    assert len(set(await asyncio.gather(*ask))) == 1
    forwards.close()


async def test_where_the_connection_itself_is_gone_that_is_said_and_nothing_of_the_service(machine: Machine):
    machine.ssh.abort()
    with pytest.raises(ConnectionLost, match="the connection to box has dropped"):
        await Forwards("box").socket(machine.ssh, "127.0.0.1", machine.port, 5)


async def test_where_nothing_listens_the_error_says_so_and_where(machine: Machine, unused_tcp_port: int):
    forwards = Forwards("box")
    with pytest.raises(NotAnswering, match=f"nothing answers at 127.0.0.1:{unused_tcp_port}, as seen from box"):
        await forwards.socket(machine.ssh, "127.0.0.1", unused_tcp_port, 5)


async def test_a_machine_that_forwards_nothing_is_told_with_the_line_to_change(machine: Machine):
    machine.forbids = True
    with pytest.raises(NotAnswering, match="does not forward connections") as error:
        await Forwards("box").socket(machine.ssh, "127.0.0.1", machine.port, 5)
    assert "AllowTcpForwarding" in str(error.value)


async def test_a_service_that_accepts_nothing_is_not_waited_for_without_end(machine: Machine):
    class Silent:
        async def open_connection(self, host: str, port: int) -> None:
            await asyncio.sleep(60)

    with pytest.raises(NotAnswering, match="did not accept a connection within 0 s"):
        await Forwards("box").socket(Silent(), "127.0.0.1", 1, 0.05)  # pyright: ignore[reportArgumentType]


async def test_a_new_connection_gets_a_socket_of_its_own(machine: Machine):
    forwards = Forwards("box")
    first = await forwards.socket(machine.ssh, "127.0.0.1", machine.port, 5)

    class Other:
        """Another connection to the same machine, as after a restart of it."""

        open_connection = staticmethod(machine.ssh.open_connection)
        forward_local_path_to_port = staticmethod(machine.ssh.forward_local_path_to_port)

    second = await forwards.socket(Other(), "127.0.0.1", machine.port, 5)  # pyright: ignore[reportArgumentType]
    assert second != first
    assert Path(second).exists()
    forwards.close()
