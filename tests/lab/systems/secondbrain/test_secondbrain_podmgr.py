"""The SecondBrain host kept in its two other ways, on a lab machine: by podmgr, and by Quadlet as podman 4 knows it.

podmgr itself is the lab's stand-in with its command line.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from dataclasses import dataclass
from typing import Any

import pytest

from lab import Machine, Service, Snapshot
from tests.lab.conftest import MachineFactory
from tests.lab.support import lasting_difference, until
from tests.lab.systems.secondbrain.stack import ACCOUNT, Stack
from tests.lab.systems.whole_program import failures
from toolchain.versions import ROOT

REPOSITORY = "/srv/podmgr"
SETTINGS: dict[str, Any] = {
    "data": "remove",
    "manager": "podmgr",
    "podmgr": {"url": f"file://{REPOSITORY}", "revision": "main"},
    "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000},
}
COMMIT = f"""set -e
mkdir -p {REPOSITORY} && cd {REPOSITORY} && tar -x
git init -q -b main && git add . && git -c user.name=lab -c user.email=lab@localhost commit -q -m 'A stand-in'
"""
RUNNING = "podmgr says that all containers run"


@dataclass
class Brain:
    """The machine, its stack, and how the machine was before."""

    machine: Machine
    stack: Stack
    before: Snapshot


@pytest.fixture(scope="module")
def brain(machine: MachineFactory, registry: Service, tmp_path_factory: pytest.TempPathFactory) -> Brain:
    made = machine("podmgr", image="machine-podman")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(
            ROOT / "lab" / "systems" / "secondbrain" / "podmgr-stand-in",
            arcname=".",
            filter=lambda each: each if "__pycache__" not in each.name else None,
        )
    made.run(COMMIT, stdin=packed.getvalue())
    return Brain(made, Stack(tmp_path_factory.mktemp("podmgr"), made, SETTINGS, secrets=False), made.snapshot())


@pytest.fixture(scope="module")
def up(brain: Brain) -> str:
    """Return what the first `up` printed."""
    return brain.stack.up()


def test_podmgr_is_installed_and_says_that_it_is_a_stand_in(brain: Brain, up: str):
    version = brain.stack.as_account("/opt/podmgr/.venv/bin/podmgr --version")
    assert "stand-in" in version


def test_every_check_passes_by_podmgrs_own_status(brain: Brain, up: str):
    rows = brain.stack.check()
    assert failures(rows) == []
    assert RUNNING in [row.question for row in rows]


def test_the_task_lists_own_command_works(brain: Brain, up: str):
    inner = "source /opt/podmgr/.venv/bin/activate && podmgr pod status secondbrain"
    # On a terminal, as a person has one: without it machinectl ends before its command has spoken.
    command = f"machinectl shell --quiet {ACCOUNT}@ /bin/bash -c '{inner}'"
    said = brain.machine.run(f'script --quiet --command "{command}" /dev/null').stdout
    for name in ("ollama", "backend"):
        assert re.search(rf"{name} +running", said), said


def test_a_second_up_finds_no_drift_and_changes_nothing(brain: Brain, up: str):
    brain.stack.up("--refresh", "--expect-no-changes")


def test_a_stopped_pod_is_seen_and_started_again(brain: Brain, up: str):
    brain.stack.as_account("/opt/podmgr/.venv/bin/podmgr pod stop secondbrain")
    assert "secondbrain-pod" in brain.stack.drifted()
    brain.stack.up("--refresh")
    assert failures(brain.stack.check()) == []


def container_id(brain: Brain) -> str:
    return brain.stack.as_account("podman inspect --format '{{.Id}}' secondbrain-backend").strip()


def test_another_definition_a_share_a_health_command_and_a_secret_make_the_pod_anew(brain: Brain, up: str):
    command = "test -e /tmp/backend/health && [ \"$TOKEN\" != '' ]"
    pod = {**SETTINGS["pod"], "backend-environment": {"COLOUR": "green"}, "backend-health-command": command}
    share = {"server": "windows.invalid", "name": "PersonalAssistantHub"}
    brain.stack.settings({**SETTINGS, "pod": pod, "share": share})
    secrets = {"smb-username": "hub", "smb-password": "hub", "backend-environment": "TOKEN=first\n"}
    brain.stack.workspace.configure_secrets({f"hearth:secondbrain-{key}": value for key, value in secrets.items()})
    brain.stack.up()
    form = "{{json .HostConfig.GroupAdd}}|{{json .Config.Healthcheck.Test}}|{{.State.Health.Status}}"
    inspect = f"podman inspect --format '{form}' secondbrain-backend"
    until(lambda: brain.stack.as_account(inspect).strip().endswith("|healthy"), "the backend is healthy", 120)
    groups, health, _ = brain.stack.as_account(inspect).split("|")
    assert json.loads(groups) == ["0"]
    assert shlex.split(json.loads(health)[-1]) == ["eval", command]
    asked = "podman exec secondbrain-backend sh -c 'echo $COLOUR $TOKEN'"
    assert brain.stack.as_account(asked).split() == ["green", "first"]


def test_another_secret_starts_the_containers_anew_with_it_and_the_same_one_does_not(brain: Brain, up: str):
    before = container_id(brain)
    brain.stack.workspace.configure("hearth:secondbrain-backend-environment", "TOKEN=canary-7d\n", secret=True)
    printed = brain.stack.up()
    started = container_id(brain)
    assert started != before
    assert brain.stack.as_account("podman exec secondbrain-backend sh -c 'echo $TOKEN'").strip() == "canary-7d"
    assert "canary-7d" not in printed + json.dumps(brain.stack.workspace.state())
    brain.stack.up("--refresh", "--expect-no-changes")
    assert container_id(brain) == started


def test_another_image_starts_the_containers_anew_with_it(brain: Brain, up: str):
    other = "secondbrain/backend:other"
    recipe = "FROM docker.io/secondbrain/backend:latest\nENV SHADE=dark\n"
    made = f"printf '{recipe}' | podman build -t registry:5000/{other} -"
    brain.stack.as_account(f"{made} && podman push --tls-verify=false registry:5000/{other}")
    before = container_id(brain)
    brain.stack.settings({**SETTINGS, "pod": {**SETTINGS["pod"], "backend-image": f"docker.io/{other}"}})
    brain.stack.up()
    assert container_id(brain) != before
    assert brain.stack.as_account("podman exec secondbrain-backend sh -c 'echo $SHADE'").strip() == "dark"
    assert failures(brain.stack.check()) == []
    assert brain.stack.drifted() == {}


def test_destroy_leaves_the_machine_as_it_was(brain: Brain, up: str):
    brain.stack.destroy()
    assert lasting_difference(brain.before, brain.machine) == []


def test_the_form_for_podman_4_works_too_and_leaves_nothing(brain: Brain, up: str):
    pod = {**SETTINGS["pod"], "podman-version": "4.9"}
    brain.stack.settings({**SETTINGS, "manager": "quadlet", "pod": pod})
    brain.stack.up()
    assert brain.stack.workspace.outputs()["secondbrain"]["units"][0] == "secondbrain-network.service"
    asked = "podman exec secondbrain-backend sh -c 'wget -q -O - $OLLAMA_HOST/api/version'"
    assert "version" in brain.stack.as_account(asked)
    assert failures(brain.stack.check()) == []
    assert brain.stack.drifted() == {}
    brain.stack.destroy()
    assert lasting_difference(brain.before, brain.machine) == []
