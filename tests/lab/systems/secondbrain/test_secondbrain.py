"""The SecondBrain host on a lab machine and the real engine: from nothing, through drift and a restart, to nothing.

One machine and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from checks.result import Status
from checks.secondbrain import disruption
from lab import Machine, Service, Snapshot
from tests.lab.conftest import MachineFactory
from tests.lab.support import lasting_difference
from tests.lab.systems.secondbrain.stack import ACCOUNT, Stack
from tests.lab.systems.whole_program import failures, skips

HOME = "/var/lib/secondbrain"
UNITS = f"{HOME}/.config/containers/systemd"
CANARY = "canary-b5c1e0"
SETTINGS = {
    "data": "remove",
    "account": {"private-homes": ["backstage440"]},
    "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000},
    "share": {"server": "windows", "name": "PersonalAssistantHub", "smbclient": True},
}
MOUNT = "/mnt/PersonalAssistantHub is mounted"
LEFT = {
    "/var/lib/cni": "an empty folder that systemd-tmpfiles makes for podman at a boot, and podman's package leaves",
    "/var/lib/cni/networks": "the same",
    "/var/lib/containers": "the same",
}


@dataclass
class Brain:
    """The machine, its stack, and how the machine was before."""

    machine: Machine
    stack: Stack
    before: Snapshot
    windows: Service


@pytest.fixture(scope="module")
def brain(
    machine: MachineFactory, registry: Service, windows: Service, tmp_path_factory: pytest.TempPathFactory
) -> Brain:
    made = machine("secondbrain")
    stack = Stack(tmp_path_factory.mktemp("secondbrain"), made, SETTINGS, secrets=True)
    stack.workspace.configure("hearth:secondbrain-backend-environment", f"TOKEN={CANARY}\n", secret=True)
    return Brain(made, stack, made.snapshot(), windows)


@pytest.fixture(scope="module")
def up(brain: Brain) -> str:
    """Return what the first `up` printed."""
    return brain.stack.up()


def test_up_brings_the_host_up_from_nothing(brain: Brain, up: str):
    assert "created" in up
    outputs = brain.stack.workspace.outputs()["secondbrain"]
    assert outputs["backend_url"] == "http://127.0.0.1:8000"
    assert outputs["units"] == [f"secondbrain-{each}.service" for each in ("pod", "ollama", "backend")]


def test_every_check_passes_and_only_the_mount_is_skipped(brain: Brain, up: str):
    rows = brain.stack.check()
    assert failures(rows) == []
    assert skips(rows) == [MOUNT]


def test_a_second_up_finds_no_drift_and_changes_nothing(brain: Brain, up: str):
    brain.stack.up("--refresh", "--expect-no-changes")


def test_no_secret_is_in_the_state_or_in_what_was_printed(brain: Brain, up: str):
    password = json.loads((brain.machine.folder / "secrets.json").read_text())["secondbrain-smb-password"]
    state = json.dumps(brain.stack.workspace.state())
    for secret in (CANARY, password):
        assert secret not in up
        assert secret not in state


def test_the_secret_environment_reaches_the_backend(brain: Brain, up: str):
    assert brain.stack.as_account("podman exec secondbrain-backend sh -c 'echo $TOKEN'").strip() == CANARY


DRIFTS = {
    "a file is edited": (
        "secondbrain-share-credentials",
        "content",
        "echo guest=yes >> /etc/samba/credentials.secondbrain",
    ),
    "a file is deleted": ("secondbrain-backend-environment", "backend.env", f"rm {HOME}/backend.env"),
    "a mode is changed": ("secondbrain-models", "mode", f"chmod 0755 {HOME}/ollama"),
    "a unit's text is changed": (
        "secondbrain-ollama",
        "text",
        f"echo '# by hand' >> {UNITS}/secondbrain-ollama.container",
    ),
    "a unit is deleted": ("secondbrain-backend", "backend", f"rm {UNITS}/secondbrain-backend.container"),
    "a unit is disabled": ("secondbrain-online", "enabled", "systemctl disable secondbrain-online.service"),
    "an automount is stopped": (
        "secondbrain-share-automount",
        "running",
        "systemctl stop mnt-PersonalAssistantHub.automount",
    ),
    "a package is removed": ("secondbrain-package-cifs-utils", "cifs-utils", "apt-get purge -y -q cifs-utils"),
    "the line in fstab is gone": ("secondbrain-share-fstab", "fstab", "sed -i /cifs/d /etc/fstab"),
    "the user's shell is changed": ("secondbrain-account", "shell", f"usermod --shell /bin/bash {ACCOUNT}"),
    "the subordinate ids are gone": ("secondbrain-account", "subordinateIds", f"sed -i /^{ACCOUNT}:/d /etc/subuid"),
    "another home is opened": ("secondbrain-home-backstage440", "mode", "chmod 0755 /home/backstage440"),
}
"""What happens behind Hearth's back: the resource that must show, a word that must be among its lines, the command."""

POD_DRIFTS = {
    "a unit is stopped": ("secondbrain-pod", "running"),
    "a container is removed": ("secondbrain-ollama", "running"),
    "an image is deleted": ("secondbrain-image-backend", "secondbrain/backend"),
    "linger is off": ("secondbrain-account", "linger"),
}
REMOVE_CONTAINERS = """set -e
for unit in ollama backend; do
    # By itself a container that is removed comes back: see the test of that.
    folder=$XDG_RUNTIME_DIR/systemd/user/secondbrain-$unit.service.d
    mkdir -p $folder && printf '[Service]\\nRestart=no\\n' > $folder/no-restart.conf
done
systemctl --user daemon-reload
podman rm --force --time 0 secondbrain-backend secondbrain-ollama
podman rmi docker.io/secondbrain/backend:latest
systemctl --user stop secondbrain-pod.service
"""


@pytest.fixture(scope="module")
def drifted(brain: Brain, up: str) -> dict[str, str]:
    """Return what `make drift` shows after everything of DRIFTS has happened and the pod was taken apart, at once."""
    brain.stack.as_account(REMOVE_CONTAINERS)
    for _, _, command in DRIFTS.values():
        brain.machine.run(command)
    brain.machine.run(f"loginctl disable-linger {ACCOUNT}")
    return brain.stack.drifted()


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_shows_that(drift: str, drifted: dict[str, str]):
    resource, word, _ = DRIFTS[drift]
    assert resource in drifted
    assert word in drifted[resource]


@pytest.mark.parametrize("drift", POD_DRIFTS)
def test_drift_of_the_pod_shows_that(drift: str, drifted: dict[str, str]):
    resource, word = POD_DRIFTS[drift]
    assert resource in drifted
    assert word in drifted[resource]


def test_up_repairs_all_of_it_and_brings_the_pod_back(brain: Brain, drifted: dict[str, str]):
    brain.stack.up("--refresh")
    # What was put there for the test, and would be gone after a restart of the account's manager.
    brain.stack.as_account("rm -rf $XDG_RUNTIME_DIR/systemd/user/*.d; systemctl --user daemon-reload")
    assert brain.stack.drifted() == {}
    assert failures(brain.stack.check()) == []


def test_a_container_that_fails_its_health_check_three_times_running_is_started_anew_and_the_journal_says_so(
    brain: Brain, up: str
):
    row = brain.stack.ask(disruption.hung)
    assert row.status is Status.PASS, row.reason


def test_a_container_that_is_killed_comes_back_without_help(brain: Brain, up: str):
    for role in disruption.ROLES:
        row = brain.stack.ask(disruption.killed(role))
        assert row.status is Status.PASS, row.reason


def test_the_check_of_that_fails_where_a_container_does_not_come_back(brain: Brain, up: str):
    folder = "$XDG_RUNTIME_DIR/systemd/user/secondbrain-backend.service.d"
    put = f"mkdir -p {folder} && printf '[Service]\\nRestart=no\\n' > {folder}/no-restart.conf"
    brain.stack.as_account(f"{put} && systemctl --user daemon-reload")
    row = brain.stack.ask(disruption.killed("backend"), BACK_SECONDS=5)
    brain.stack.as_account(f"rm -r {folder}; systemctl --user daemon-reload")
    assert (row.status, row.reason[:12]) == (Status.FAIL, "not after 5 ")
    # It was started again at the end.
    assert failures(brain.stack.check()) == []


def test_all_of_it_comes_up_from_nothing(brain: Brain, up: str):
    row = brain.stack.ask(disruption.from_zero)
    assert row.status is Status.PASS, row.reason


def test_after_a_restart_with_the_windows_machine_off_the_pod_is_back_without_help(brain: Brain, up: str):
    brain.windows.stop()
    try:
        brain.machine.restart()
        rows = brain.stack.check()  # waits for the pod as long as a start may take
    finally:
        brain.windows.start()
    assert [row.split(":")[0] for row in failures(rows)] == [
        "the share's files can be listed with the same credentials"
    ]


def test_with_the_windows_machine_on_again_every_check_passes(brain: Brain, up: str):
    assert failures(brain.stack.check()) == []
    assert brain.stack.drifted() == {}


def test_destroy_leaves_the_machine_as_it_was(brain: Brain, up: str):
    brain.stack.destroy()
    assert lasting_difference(brain.before, brain.machine, LEFT) == []
