"""The rollout on NixOS in its phases, on a lab machine with a stand-in for nixos-rebuild.

Nix itself evaluates the modules, and what comes of them runs, with a bot that answers.

One machine and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from checks.result import Status
from lab import Machine, Snapshot
from lab.systems.maubot.homeserver import Synapse
from lab.systems.maubot.nixos import CONFIGURATION, FLAKE, StandIn
from tests.lab.conftest import MachineFactory
from tests.lab.support import lasting_difference
from tests.lab.systems.maubot.stack import ADMIN_PASSWORD, KEY, OTHERS, Json, Stack, settings
from tests.lab.systems.whole_program import failures
from toolchain.waiting import as_it_is, wait_until

pytestmark = pytest.mark.timeout(900)
SECRETS = {"maubot-admin-password": ADMIN_PASSWORD, "maubot-secret-key": KEY}
MODULE = f"{FLAKE}/hearth-maubot.nix"


@dataclass
class Nixos:
    """The machine, its homeserver, the stand-in, the stack, and how the machine was before."""

    machine: Machine
    homeserver: Synapse
    stand_in: StandIn
    stack: Stack
    before: Snapshot
    room: str = ""

    def wish(self, **more: Any) -> Json:
        rooms = {"echo-a": self.room} if self.room else {}
        return settings(rooms, platform="nixos", nixos={"configuration": CONFIGURATION}, **more)

    def is_active(self, unit: str) -> bool:
        return self.machine.run(f"systemctl is-active {unit}", check=False).ok


@pytest.fixture(scope="module")
def nixos(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Nixos:
    made = machine("nixos", image="machine-matrix")
    homeserver, stand_in = Synapse(made), StandIn(made)
    homeserver.begin()
    stand_in.begin(SECRETS, "0.6.0")
    stack = Stack(tmp_path_factory.mktemp("nixos"), made, homeserver, {})
    found = Nixos(made, homeserver, stand_in, stack, made.snapshot())
    stack.settings(found.wish())
    return found


def test_a_service_that_breaks_in_the_second_phase_is_named_with_the_reason_and_the_phase_rolled_back(nixos: Nixos):
    nixos.stand_in.breaks("nginx", "maubot-secret-key")
    printed = nixos.stack.failed_up()
    assert "after the phase 'secrets' these were not well, so it was rolled back: nginx" in printed
    assert "broken on purpose" in printed
    assert nixos.is_active("nginx")
    assert not nixos.is_active("maubot")
    assert "# Phase: modules" in nixos.machine.read(MODULE)
    assert not nixos.machine.exists("/run/secrets")
    nixos.stand_in.breaks_nothing()


def test_a_service_that_is_not_well_before_a_phase_stops_it_and_nothing_is_changed(nixos: Nixos):
    generations = nixos.stand_in.generations()
    nixos.machine.run("systemctl stop nginx")
    printed = nixos.stack.failed_up()
    assert "before the phase 'secrets' these were not well, so nothing was changed: nginx" in printed
    assert nixos.stand_in.generations() == generations
    nixos.machine.run("systemctl start nginx")


def test_the_phases_go_on_from_there_and_the_bot_answers(nixos: Nixos):
    nixos.stack.up()
    log = nixos.machine.read("/var/lib/hearth-maubot/log")
    assert "STAND-IN for nixos-rebuild" in log
    nixos.room = nixos.homeserver.ask("room", bots=["@echo-a:lab.test"])
    nixos.stack.settings(nixos.wish())
    nixos.stack.up()
    asked = {"room": nixos.room, "text": "hello", "patience": 120.0, "every": 3.0}
    assert nixos.homeserver.ask("say", **asked)["seconds"] is not None
    assert "mode 400" not in log
    assert nixos.machine.run("stat -c %a /run/secrets/maubot-*").stdout.split() == ["400", "400"]


def test_nothing_is_rolled_out_for_nothing_and_a_changed_setting_by_the_last_phase_alone(nixos: Nixos):
    generations = nixos.stand_in.generations()
    nixos.stack.up("--refresh", "--expect-no-changes")
    assert nixos.stand_in.generations() == generations
    nixos.stack.settings(nixos.wish(health={"every": 30}))
    nixos.stack.up()
    assert nixos.stand_in.generations() == generations + 1
    assert nixos.is_active("maubot")


def test_what_is_changed_by_hand_in_the_flake_is_seen_and_rolled_out_again(nixos: Nixos):
    nixos.machine.run(f"echo '# by hand' >>{MODULE} && echo '# by hand' >>{FLAKE}/modules/maubot.nix")
    assert nixos.stack.drifted().keys() >= {"maubot-phase-service", "maubot-nixos-module"}
    nixos.stack.up("--refresh")
    # That nothing has drifted then is asked once, after a backup was brought back: see below.


def test_every_check_passes_on_nixos_too(nixos: Nixos):
    nixos.stack.look(check=False)
    # A busy machine may take longer for the page than an operator would wait.
    rows = wait_until(nixos.stack.check, 180, as_it_is, good=lambda found: not failures(found), pause=10)
    assert failures(rows) == []
    assert sum(row.status is Status.PASS for row in rows) >= 14


def test_a_backup_is_whole_and_brings_everything_back_on_nixos_too(nixos: Nixos):
    machine = nixos.machine
    machine.run("systemctl start maubot-backup.service")
    folder = machine.run("ls -d /var/backups/maubot/*").stdout.split()[-1]
    assert "runs, and nothing was touched" in machine.run(f"maubot-restore {folder}", check=False).stderr
    machine.run("systemctl stop maubot && rm /var/lib/maubot/bot.db* /var/lib/maubot/dbs/*")
    machine.run(f"maubot-restore {folder} && systemctl start maubot")
    asked = {"room": nixos.room, "text": "back", "patience": 120.0, "every": 3.0}
    assert nixos.homeserver.ask("say", **asked)["seconds"] is not None
    nixos.stack.has_not_drifted()


def test_destroy_leaves_the_flake_as_it_was_and_switches_to_it(nixos: Nixos):
    nixos.stack.destroy()
    assert not nixos.is_active("maubot")
    assert nixos.machine.read(MODULE) == "{ ... }: { }\n"
    assert not nixos.machine.exists(f"{FLAKE}/modules")
    data = ("/var/lib/maubot", "/var/backups/maubot")  # as NixOS leaves the folders of a service that is gone
    known = (*OTHERS, *data, "/var/lib/nixos-stand-in", "/nix/")
    assert lasting_difference(nixos.before, nixos.machine, but_for=known) == []
