"""A restart in the middle of a run: alone on the machine, once, and waited for longer than a dropped connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from providers.errors import ConnectionFailed, ConnectionLost, InvalidInput, NotConverged
from providers.machine import inventory
from providers.machine.outage import RECONNECT, Outage
from providers.machine.restart import BOOT_ID, RESTART_SECONDS, Calm
from providers.machine.ssh_session import SshSession
from tests.unit.providers.machine.test_inventory import ScriptedConnection, do

GONE = ConnectionLost("the connection to box has dropped")


class BootingWorker:
    """A machine that answers as it was started, and goes down while it sleeps after a restart was asked for."""

    lost = False

    def __init__(self, machine: BootingConnection) -> None:
        self._machine = machine

    def ask(self, op: str, /, **args: Any) -> Awaitable[Any]:
        async def answer() -> dict[str, Any]:
            await asyncio.sleep(0)
            words = " ".join(args.get("argv", ()))
            self._machine.asked.append(words)
            if words == "sleep 1" and self._machine.goes_down:
                self._machine.goes_down = False
                self._machine.boot += 1
                raise GONE
            if words == "systemctl reboot":
                self._machine.goes_down = True
            told = self._machine.own or f"boot-{self._machine.boot}\n"
            return {"status": 0, "stdout": told, "stderr": "", "late": False}

        return answer()

    def tell(self, op: str) -> None:
        return

    def abandon(self) -> None:
        self.lost = True


class BootingConnection(ScriptedConnection):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []  # pyright: ignore[reportIncompatibleVariableOverride]
        self.boot, self.goes_down, self.own = 1, False, ""

    def worker(self) -> Any:
        machine = self

        class Place:
            async def __aenter__(self) -> BootingWorker:
                return BootingWorker(machine)

            async def __aexit__(self, *_: object) -> None:
                return

        return Place()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_time(_seconds: float) -> None:
        await real_sleep(0)

    real_sleep = asyncio.sleep
    monkeypatch.setattr(inventory.asyncio, "sleep", no_time)


async def test_the_operation_is_done_again_on_the_restarted_machine_and_a_second_restart_is_not_made():
    connection = BootingConnection()
    seen: list[bool] = []

    async def work(session: SshSession) -> str:
        if connection.boot == 1:
            await session.restart()
            raise AssertionError("a restart does not return")
        seen.append(await session.restart())
        return "on the restarted machine"

    told: list[str] = []
    assert await do(connection, work, told=told) == "on the restarted machine"
    assert seen == [False]
    assert connection.asked.count("systemctl reboot") == 1
    assert told == [f"the connection to box has dropped; trying again, for {RESTART_SECONDS:.0f} s at most"]


async def test_the_machine_on_which_all_of_it_runs_is_not_restarted():
    connection = BootingConnection()
    connection.own = Path(BOOT_ID).read_text()
    with pytest.raises(NotConverged, match="it is the machine on which this runs"):
        await do(connection, lambda session: session.restart())
    assert "systemctl reboot" not in connection.asked


async def test_a_session_without_a_connection_can_not_wait_for_a_restart():
    session = SshSession("box", BootingWorker(BootingConnection()), 1e12, print, print)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidInput, match="no connection to wait"):
        await session.restart()


async def test_whoever_restarts_waits_for_those_at_work_and_those_who_come_wait_for_it():
    calm, order = Calm(), list[str]()
    begun, end = asyncio.Event(), asyncio.Event()

    async def busy() -> None:
        async with calm.work():
            begun.set()
            await end.wait()
            order.append("was at work")

    async def restarts() -> None:
        async with calm.work(), calm.alone():
            order.append("restarts")

    async def late() -> None:
        async with calm.work():
            order.append("came late")

    first = asyncio.create_task(busy())
    await begun.wait()
    second = asyncio.create_task(restarts())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    third = asyncio.create_task(late())
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == []
    end.set()
    await asyncio.wait_for(asyncio.gather(first, second, third), 10)
    assert order == ["was at work", "restarts", "came late"]


async def test_a_restart_that_is_given_up_lets_the_others_go_on():
    calm = Calm()
    with pytest.raises(RuntimeError):
        async with calm.work(), calm.alone():
            raise RuntimeError
    async with calm.work():
        pass


def test_an_announced_outage_is_a_long_one_and_the_next_is_an_ordinary_one():
    outage = Outage("box")
    outage.announced(900.0)
    outage.ended()  # another's operation began before the machine went down
    assert outage.seconds_left == 900.0
    outage.begun()
    assert 800 < outage.seconds_left <= 900
    assert "within 900 s" in str(Outage.given_up(outage, ConnectionFailed("no")))
    outage.ended()
    assert outage.seconds_left == RECONNECT
