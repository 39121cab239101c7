"""Taking over from another user's containers, on a lab machine: recorded, stopped, handed over, and put back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from lab import Lab, Machine, Service, Snapshot
from lab.systems.secondbrain.old_containers import BACKEND
from tests.lab.conftest import MachineFactory
from tests.lab.support import lasting_difference
from tests.lab.systems.secondbrain.stack import Stack
from tests.lab.systems.whole_program import failures

OLD = "backstage440"
MIGRATE: dict[str, Any] = {"data": "remove", "migrate": {"user": OLD}}
RECORD = "/var/lib/secondbrain-migration.json"


@dataclass
class Brain:
    """A machine with the old user's containers on it, and its stack."""

    machine: Machine
    stack: Stack
    before: Snapshot

    def old(self) -> dict[str, str]:
        """Return the old user's containers: name -> state."""
        listed = self.machine.run("podman ps --all --format '{{.Names}} {{.State}}'", user=OLD).stdout
        return dict(line.split() for line in listed.splitlines())


@pytest.fixture(scope="module")
def brain(machine: MachineFactory, lab: Lab, registry: Service, tmp_path_factory: pytest.TempPathFactory) -> Brain:
    made = machine("migration", image="machine-podman")
    lab.seed_old_containers(made, OLD)
    stack = Stack(tmp_path_factory.mktemp("migration"), made, MIGRATE, secrets=False)
    return Brain(made, stack, made.snapshot())


@pytest.fixture(scope="module")
def up(brain: Brain) -> str:
    """Return what the first `up` printed, which takes over and removes nothing."""
    return brain.stack.up()


def test_port_and_image_come_from_the_old_container(brain: Brain, up: str):
    assert json.loads(brain.machine.read(RECORD)) == {
        "container": "secondbrain-backend",
        "user": OLD,
        "port": 8000,
        "image": BACKEND,
    }
    assert brain.stack.workspace.outputs()["secondbrain"]["backend_url"] == "http://127.0.0.1:8000"


def test_the_new_pod_runs_with_the_image_that_was_handed_over(brain: Brain, up: str):
    image = "podman inspect --format '{{.ImageName}} {{.Image}}' secondbrain-backend"
    assert brain.stack.as_account(image).split() == brain.machine.run(image, user=OLD).stdout.split()
    assert failures(brain.stack.check()) == []


def test_the_old_containers_are_stopped_and_not_removed(brain: Brain, up: str):
    assert brain.old() == {"secondbrain-backend": "exited", "secondbrain-ollama": "exited"}


def test_a_second_up_finds_no_drift_and_changes_nothing(brain: Brain, up: str):
    brain.stack.up("--refresh", "--expect-no-changes")


def test_destroy_starts_the_old_containers_again_and_leaves_nothing_else(brain: Brain, up: str):
    brain.stack.destroy()
    assert brain.old() == {"secondbrain-backend": "running", "secondbrain-ollama": "running"}
    assert lasting_difference(brain.before, brain.machine) == []


def test_a_port_that_can_not_be_told_stops_before_anything_is_touched(brain: Brain, up: str):
    brain.stack.settings({**MIGRATE, "migrate": {"user": OLD, "backend-container": "secondbrain-backendd"}})
    answer = brain.stack.workspace.up(check=False)
    assert answer.returncode != 0
    assert "can't be read, so neither its port nor its image is known; nothing was changed" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
    assert brain.old() == {"secondbrain-backend": "running", "secondbrain-ollama": "running"}


def test_old_containers_and_image_are_removed_where_the_settings_say_so(brain: Brain, up: str):
    brain.stack.settings({**MIGRATE, "migrate": {"user": OLD, "remove-old": True, "remove-image": True}})
    brain.stack.up()
    assert failures(brain.stack.check()) == []
    assert brain.old() == {}
    assert not brain.machine.run(f"podman image exists {BACKEND}", user=OLD, check=False).ok


def test_the_record_still_counts_when_the_old_containers_have_gone(brain: Brain, up: str):
    brain.stack.up("--refresh", "--expect-no-changes")
    assert brain.stack.workspace.outputs()["secondbrain"]["backend_url"] == "http://127.0.0.1:8000"
