"""Operations on machines: one at a time per thing, and again where the connection drops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.hosts import Machines
from providers.errors import ConnectionFailed, ConnectionLost, DeadlineExceeded, HearthError, InvalidInput
from providers.machine import inventory, outage
from providers.machine.inventory import Inventory, Placement, operate
from providers.machine.outage import Outage
from providers.machine.restart import Calm
from providers.machine.ssh_session import SshSession


class ScriptedWorker:
    def __init__(self, requests: list[tuple[str, dict[str, Any]]]) -> None:
        self._requests = requests
        self.lost = False

    def ask(self, op: str, /, **args: Any) -> Awaitable[Any]:
        self._requests.append((op, args))

        async def answer() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {}

        return answer()

    def tell(self, op: str) -> None:
        self._requests.append((op, {}))

    def abandon(self) -> None:
        self.lost = True


class ScriptedConnection:
    """Fails in the given order when a worker is asked for; then works."""

    name = label = "box"

    def __init__(self, *failures: HearthError) -> None:
        self._failures = list(failures)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.locks: dict[str, asyncio.Lock] = {}
        self.asked = 0
        self.outage = Outage("box")
        self.calm = Calm()

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[ScriptedWorker]:
        self.asked += 1
        if self._failures:
            raise self._failures.pop(0)
        yield ScriptedWorker(self.requests)


LOST = ConnectionLost("the connection to box has dropped")
FAILED = ConnectionFailed("box can't be reached")


async def do(connection: Any, work: Any = None, *, locks: tuple[str, ...] = (), told: list[str] | None = None) -> Any:
    async def nothing(_session: SshSession) -> str:
        return "done"

    tell = (told if told is not None else []).append
    return await operate(connection, work or nothing, deadline=5.0, locks=locks, progress=tell, warn=tell)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        await real_sleep(0)

    real_sleep = asyncio.sleep
    monkeypatch.setattr(inventory.asyncio, "sleep", at_once)


# --- again ---


async def test_a_connection_that_drops_is_sought_again_and_the_person_told():
    connection, told = ScriptedConnection(LOST, FAILED, FAILED), list[str]()
    assert await do(connection, told=told) == "done"
    assert connection.asked == 4
    assert told == ["the connection to box has dropped; trying again, for 90 s at most"]


async def test_a_machine_that_was_never_reached_is_not_tried_again():
    connection = ScriptedConnection(FAILED)
    with pytest.raises(ConnectionFailed):
        await do(connection)
    assert connection.asked == 1


async def test_a_machine_that_stays_away_ends_the_operation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outage, "RECONNECT", 0.0)
    connection = ScriptedConnection(LOST, FAILED)
    with pytest.raises(ConnectionLost):
        await do(connection)


async def test_all_that_waits_for_a_machine_gives_it_up_at_one_moment_and_says_when(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    async def later(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(inventory.asyncio, "sleep", later)
    connection, told = ScriptedConnection(*[LOST] * 1000), list[str]()
    for _ in range(3):  # one after another, as resources that need each other come
        with pytest.raises(ConnectionLost, match="did not come back within 90 s"):
            await do(connection, told=told)
    assert now[0] <= 190.0
    assert told == ["the connection to box has dropped; trying again, for 90 s at most"]


async def test_work_that_breaks_the_connection_each_time_is_given_up_as_well(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    async def work(_session: SshSession) -> None:
        now[0] += 20.0
        raise LOST

    with pytest.raises(ConnectionLost):
        await do(ScriptedConnection(), work)
    assert now[0] <= 240.0


async def test_work_that_lost_its_connection_half_way_runs_again_from_its_beginning():
    connection, tries = ScriptedConnection(), list[int]()

    async def work(_session: SshSession) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise LOST
        return "done"

    assert await do(connection, work) == "done"
    assert len(tries) == 2


async def test_an_error_of_the_work_is_not_tried_again():
    connection = ScriptedConnection()

    async def work(_session: SshSession) -> None:
        raise HearthError("no")

    with pytest.raises(HearthError):
        await do(connection, work)
    assert connection.asked == 1


# --- locks ---


async def test_locks_are_taken_in_one_order_and_each_once():
    connection = ScriptedConnection()
    await do(connection, locks=("b", "a", "b"))
    assert [(op, args.get("names")) for op, args in connection.requests] == [("lock", ["a", "b"]), ("unlock", None)]


async def test_locks_are_let_go_when_the_work_fails():
    connection = ScriptedConnection()

    async def work(_session: SshSession) -> None:
        raise HearthError("no")

    with pytest.raises(HearthError):
        await do(connection, work, locks=("a",))
    assert connection.requests[-1][0] == "unlock"
    assert not connection.locks["a"].locked()


async def test_two_that_need_the_same_take_turns_and_others_do_not_wait():
    connection, running, most = ScriptedConnection(), dict[str, int](), dict[str, int]()

    def work(name: str) -> Any:
        async def inner(_session: SshSession) -> None:
            running[name] = running.get(name, 0) + 1
            most[name] = max(most.get(name, 0), running[name])
            for _ in range(5):
                await asyncio.sleep(0)
            running[name] -= 1

        return inner

    shared = [do(connection, work("shared"), locks=("x", "y") if odd % 2 else ("y", "x")) for odd in range(6)]
    free = [do(connection, work("free"), locks=(f"z{number}",)) for number in range(4)]
    await asyncio.wait_for(asyncio.gather(*shared, *free), 10)
    assert most == {"shared": 1, "free": 4}


async def test_the_deadline_begins_when_the_locks_are_held(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    connection = ScriptedConnection()
    original = SshSession.lock

    async def slow(self: SshSession, names: Any) -> None:
        await original(self, names)
        now[0] += 4.9

    async def work(session: SshSession) -> str:
        now[0] += 4.9
        await session.remove("/x")
        return "in time"

    monkeypatch.setattr(SshSession, "lock", slow)
    assert await do(connection, work, locks=("a",)) == "in time"


async def test_past_its_deadline_an_operation_says_so(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    async def work(session: SshSession) -> None:
        now[0] += 5.1
        await session.remove("/x")

    with pytest.raises(DeadlineExceeded, match="custom_timeouts"):
        await do(ScriptedConnection(), work)


# --- where machines are ---


def inventory_of(hosts: dict[str, Any], lost: tuple[str, ...] = (), **more: Any) -> Inventory:
    return Inventory(Machines.model_validate({"hosts": hosts, "lost": list(lost), **more}), Path("/project"))


WHERE = Placement("id", "10.0.0.1", None, "admin")


def test_where_a_resource_is_survives_the_state():
    assert Placement.of(WHERE.output()) == WHERE
    assert Placement.of(None) is None
    assert Placement.of({}) is None


def test_a_machine_is_where_it_was_if_address_port_and_user_are_the_same():
    assert inventory_of({"box": {"address": "10.0.0.1", "user": "admin"}}).is_at("box", WHERE)
    assert not inventory_of({"box": {"address": "10.0.0.2", "user": "admin"}}).is_at("box", WHERE)
    assert not inventory_of({"box": {"address": "10.0.0.1", "user": "admin", "port": 2222}}).is_at("box", WHERE)
    assert not inventory_of({}).is_at("box", WHERE)


def test_what_is_elsewhere_is_reached_where_it_was():
    found = inventory_of({"box": {"address": "10.0.0.2", "python": "/opt/python3"}}).connection("box", WHERE)
    assert (found.host.address, found.host.user, found.host.python) == ("10.0.0.1", "admin", "/opt/python3")


def test_a_machine_has_one_connection():
    both = inventory_of({"box": {}})
    assert both.connection("box") is both.connection("box")


def test_a_lost_machine_has_no_connection():
    with pytest.raises(InvalidInput, match="declared lost"):
        inventory_of({"box": {"address": "10.0.0.1"}}, ("10.0.0.1",)).connection("box")
    with pytest.raises(InvalidInput, match="declared lost"):
        inventory_of({"box": {"address": "10.0.0.2"}}, ("10.0.0.1",)).connection("box", WHERE)


async def test_an_ssh_configuration_that_the_settings_name_and_that_is_missing_is_said():
    found = inventory_of({"box": {"address": "127.0.0.1", "port": 1}}, **{"ssh-config": "no/such"}).connection("box")
    with pytest.raises(ConnectionFailed, match="SSH configuration or a key in it can't be used"):
        await found.machine_id()
