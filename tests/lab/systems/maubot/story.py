"""The story of one maubot host: its machine, homeserver and stack, and how far it has come, as fixtures."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import Machine, Snapshot
from lab.systems.maubot.homeserver import Synapse
from tests.lab.conftest import MachineFactory
from tests.lab.killing import SEED
from tests.lab.support import free_port, until
from tests.lab.systems.maubot.stack import BOTS, ECHO, REPLY_SECONDS, TRIES, Json, Stack, settings

CHANCE = random.Random(SEED)
FIGURES = "/var/lib/prometheus/node-exporter"
ADMINS = "#admins:lab.test"


@dataclass
class Vps:
    """The machine, its homeserver, the stack, and how the machine was before."""

    machine: Machine
    homeserver: Synapse
    stack: Stack
    before: Snapshot
    users: list[str]
    rooms: dict[str, str] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    """How far each `up` was that was killed."""

    def wish(self, bots: int = 1, echo: Path = ECHO) -> Json:
        """Return the settings of so many bots, each answering in its room; errors are told in the admins' room."""
        health: Json = {"metrics-folder": FIGURES}
        if "admins" in self.rooms:
            health |= {"alert-room": ADMINS}
        made = settings(self.rooms, bots, health=health)
        return {**made, "plugins": {"org.example.echo": str(echo)}}

    def is_set_to(self, bots: int, echo: Path = ECHO) -> None:
        """Write the settings of so many bots."""
        self.stack.settings(self.wish(bots, echo))

    def says(self, bot: str, text: str = "hello", **how: float) -> float | None:
        """Seconds until a bot's reply in its room; None where none came."""
        answer = self.homeserver.ask("say", room=self.rooms[bot], text=text, **how)
        assert answer["text"] is None or answer["text"].startswith(f"{bot}: {text}"), answer
        return answer["seconds"]

    def replies_in_time(self, bot: str) -> bool:
        """Return whether somebody who asks has a bot's reply within the time that a person has patience."""
        return any((self.says(bot) or 99.0) < REPLY_SECONDS for _ in range(TRIES))

    def token(self, bot: str) -> str:
        """Return the token by which maubot's client speaks."""
        return self.stack.api("GET", f"/client/@{bot}:lab.test")["access_token"]

    def device(self, bot: str) -> str:
        """Return the device by which maubot's client speaks, as the homeserver names it."""
        path = "/_matrix/client/v3/account/whoami"
        return self.homeserver.ask("ask", method="GET", path=path, token=self.token(bot))["device_id"]

    def revoke(self, bot: str) -> None:
        """Log a bot's device out behind maubot's back."""
        path = "/_matrix/client/v3/logout"
        self.homeserver.ask("ask", method="POST", path=path, token=self.token(bot), body={})

    def heard(self, instance: str) -> int:
        """Return how many messages an instance remembers, in the database of its own."""
        path = f"/var/lib/maubot/dbs/{instance}.db"
        query = f"sqlite3.connect('{path}').execute('SELECT count(*) FROM heard').fetchone()"
        return int(self.machine.run(f'python3 -I -c "import sqlite3; print(*{query})"').stdout)

    def moves_to(self, machine: Machine) -> None:
        """Go on with another machine in the place of this one."""
        self.machine = self.stack.machine = self.homeserver.machine = machine
        self.homeserver.prepare()

    def kill_an_up(self, between: int, and_: int) -> None:
        """Kill an `up` at a moment of chance while the state's resources go from one number to the other."""
        made, then = CHANCE.randint(min(between, and_), max(between, and_)), CHANCE.random() * 2
        self.stack.kill_up(lambda now: now >= made if and_ > between else now <= made, then)
        self.killed.append(f"{then:.1f} s after {made} resources")


def made_ready(machine: Machine, folder: Path) -> Vps:
    """Return a machine with its homeserver, and a stack that has no settings yet."""
    homeserver = Synapse(machine)
    homeserver.begin()
    machine.run(f"mkdir -p {FIGURES}")
    stack = Stack(folder, machine, homeserver, {})
    return Vps(machine, homeserver, stack, machine.snapshot(), homeserver.users())


@pytest.fixture(scope="module")
def vps(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    """Make the machine with its homeserver, and the settings of one bot."""
    found = made_ready(machine("maubot", image="machine-matrix"), tmp_path_factory.mktemp("maubot"))
    found.is_set_to(1)
    return found


@pytest.fixture(scope="module")
def up(vps: Vps) -> str:
    """Bring it up: killed in the middle, finished by the next `up`; the one after that knows the bot's rooms."""
    vps.kill_an_up(1, 22)
    printed = vps.stack.run_make("up")
    vps.rooms["echo-a"] = vps.homeserver.ask("room", bots=["@echo-a:lab.test"])
    vps.rooms["admins"] = vps.homeserver.ask("room", bots=["@echo-a:lab.test"], alias="admins")
    vps.is_set_to(1)
    vps.stack.up()
    return printed


@pytest.fixture(scope="module")
def three(vps: Vps, up: str) -> Vps:
    """With three bots, each in a room of its own; registered one after the other within the homeserver's limits."""
    if "echo-c" not in vps.rooms:
        one = vps.stack.made()
        vps.is_set_to(3)
        vps.kill_an_up(one + 1, one + 5)
        vps.stack.run_make("up")
        vps.rooms |= {bot: vps.homeserver.ask("room", bots=[f"@{bot}:lab.test"]) for bot in BOTS[1:]}
        vps.is_set_to(1)  # bots are killed in their going, too
        vps.kill_an_up(one + 5, one + 1)
        vps.is_set_to(3)
        vps.stack.run_make("up")
    return vps


@pytest.fixture
def tunnel(vps: Vps) -> Iterator[str]:
    """Open the operator's tunnel; its near end."""
    port = free_port()
    near = f"127.0.0.1:{port}"
    ssh = ["ssh", "-F", str(vps.machine.ssh_config), "-N", "-L", f"{near}:127.0.0.1:29316", vps.machine.name]
    process = subprocess.Popen([*ssh[:-1], "-o", "ExitOnForwardFailure=yes", ssh[-1]])
    try:

        def open_now() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        until(open_now, "the tunnel is open")
        yield near
    finally:
        process.terminate()
        process.wait()
