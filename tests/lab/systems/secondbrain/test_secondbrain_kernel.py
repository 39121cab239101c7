"""The SecondBrain host on a machine with a kernel of its own: CIFS, cgroup v2, real boots; then on podman 4.9.

One machine for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from checks.result import Status
from checks.secondbrain import disruption
from checks.secondbrain.share_access import dropped
from lab import Lab, Service, Snapshot
from lab.kernel import KernelMachine
from lab.systems.secondbrain.podman4.build import PODMAN, put_on
from tests.lab.support import lasting_difference, skip_or_fail, until
from tests.lab.systems.secondbrain.stack import ACCOUNT, Stack
from tests.lab.systems.secondbrain.test_secondbrain import LEFT
from tests.lab.systems.whole_program import failures, skips
from toolchain.versions import ROOT

pytestmark = pytest.mark.timeout(1800)

SHARE = "/mnt/PersonalAssistantHub"
UNITS = "/var/lib/secondbrain/.config/containers/systemd"
SETTINGS = {
    "data": "remove",
    "account": {"private-homes": ["backstage440"]},
    # Software emulates the processor.
    "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000, "start-timeout": 180},
    "share": {"server": "windows", "name": "PersonalAssistantHub"},
}
PATIENCE = 300  # seconds


@dataclass
class Brain:
    """The machine, its stack, and the Windows stand-in."""

    machine: KernelMachine
    stack: Stack
    windows: Service

    def backend(self) -> list[str]:
        """Return the backend's id and its health, as the account's podman says."""
        form = "{{.Id}} {{.State.Health.Status}}"
        return self.stack.as_account(f"podman inspect --format '{form}' secondbrain-backend", check=False).split()


@pytest.fixture(scope="module")
def brain(lab: Lab, registry: Service, windows: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    lab.remove("kernel")
    # As a person makes one.
    where = ["--name", lab.name, "--folder", str(lab.folder)]
    command = [sys.executable, "-m", "lab", *where, "up", "--machines", "kernel:machine-podman:kernel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = lab.find("kernel")
    assert isinstance(made, KernelMachine)
    folder = tmp_path_factory.mktemp("secondbrain-kernel")
    yield Brain(made, Stack(folder, made, SETTINGS, secrets=True), windows)
    lab.remove("kernel")


@pytest.fixture(scope="module")
def up(brain: Brain) -> str:
    """Return what the first `up` printed."""
    return brain.stack.up()


def read_by_the_backend(brain: Brain, file: str) -> str:
    """Return a file of the share, as the backend's container hands it out; its words if it can't."""
    command = f"podman exec secondbrain-backend cat {SHARE}/{file} 2>&1"
    return brain.stack.as_account(command, check=False)


def test_every_check_passes_and_none_is_skipped(brain: Brain, up: str) -> None:
    rows = brain.stack.check()
    assert (failures(rows), skips(rows)) == ([], [])
    assert {row.status for row in rows} == {Status.PASS}
    print(*(f"{row.question}: {row.reason}" for row in rows if " ms" in row.question), sep="\n")


def test_the_containers_are_in_control_groups_of_version_2_without_a_drop_in(brain: Brain, up: str) -> None:
    assert not brain.machine.exists("/etc/containers/systemd/users/container.d/10-lab.conf")
    assert brain.machine.run("stat --file-system --format %T /sys/fs/cgroup").stdout.strip() == "cgroup2fs"
    pid = brain.stack.as_account("podman inspect --format '{{.State.Pid}}' secondbrain-backend").strip()
    assert "secondbrain-backend.service" in brain.machine.read(f"/proc/{pid}/cgroup")


def test_the_share_is_mounted_by_cifs_at_the_first_access_and_the_backend_reads_it(brain: Brain, up: str) -> None:
    assert "No such file" in read_by_the_backend(brain, "no-such-file")
    text = brain.windows.run("cat /srv/PersonalAssistantHub/README.txt").stdout
    assert text
    assert read_by_the_backend(brain, "README.txt") == text
    kinds = brain.machine.run(f"findmnt --noheadings --output FSTYPE {SHARE}").stdout.split()
    assert kinds == ["autofs", "cifs"]


def test_with_the_network_to_it_dropped_reading_is_an_error_and_no_hang(brain: Brain, up: str) -> None:
    row = brain.stack.ask(dropped)
    assert row.status is Status.PASS, row.reason
    print(row.question, row.reason)
    # Nothing of it is left on the machine.
    assert "4456" not in brain.machine.run("ip rule; ip route show table all").stdout
    units = "systemctl list-units --all --plain"
    until(lambda: "hearth-check" not in brain.machine.run(units).stdout, "no unit of the check is left", 60)


def test_with_the_windows_machine_off_and_on_again_the_files_are_back(brain: Brain, up: str) -> None:
    before = brain.backend()[0]
    brain.windows.stop()
    try:
        said = read_by_the_backend(brain, "notes/today.txt")
        assert re.search("Host is down|timed out|Resource temporarily|No such device|Input/output", said), said
    finally:
        brain.windows.start()
    text = brain.windows.run("cat /srv/PersonalAssistantHub/notes/today.txt").stdout
    until(lambda: read_by_the_backend(brain, "notes/today.txt") == text, "the backend reads the share again", PATIENCE)
    until(lambda: brain.backend() == [before, "healthy"], "it is the same container, and healthy", PATIENCE)


def test_destroy_ends_the_containers_and_the_mount(brain: Brain, up: str) -> None:
    brain.stack.destroy()
    assert not brain.machine.run(f"findmnt {SHARE}", check=False).ok
    assert not brain.machine.run(f"id {ACCOUNT}", check=False).ok


@pytest.fixture(scope="module")
def old(brain: Brain) -> Snapshot:
    """Bring the same host up with podman 4.9 in the place of Debian's; return how the machine was before."""
    if PODMAN.built() is None:
        skip_or_fail("podman 4.9 is not built on this computer: python -m lab.systems.secondbrain.podman4")
    put_on(brain.machine)
    # As on a machine that was not restarted since podman was installed.
    brain.machine.run("rm -rf /var/lib/cni")
    before = brain.machine.snapshot()
    brain.stack.up()
    return before


def test_podman_4_9_brings_the_network_form_up_healthy_in_order(brain: Brain, old: Snapshot) -> None:
    assert brain.stack.as_account("podman --version").split()[-1] == PODMAN.version
    units = [f"secondbrain-{role}.container" for role in ("backend", "ollama")]
    assert brain.machine.run(f"ls {UNITS}").stdout.split() == [*units, "secondbrain.network"]
    # When ollama was healthy, and when the backend was first tried.
    entered = "systemctl --user show --property={}TimestampMonotonic --value secondbrain-{}"
    healthy = int(brain.stack.as_account(entered.format("ActiveEnter", "ollama")))
    begun = int(brain.stack.as_account(entered.format("InactiveExit", "backend")))
    assert 0 < healthy <= begun
    rows = brain.stack.check()
    assert (failures(rows), skips(rows)) == ([], [])
    brain.stack.up("--expect-no-changes")


@pytest.mark.parametrize("role", ["backend", pytest.param("ollama", marks=pytest.mark.soak)])
def test_on_podman_4_9_a_killed_container_comes_back(brain: Brain, old: Snapshot, role: str) -> None:
    row = brain.stack.ask(disruption.killed(role))
    assert row.status is Status.PASS, row.reason
    print(row.question, row.reason)


@pytest.mark.soak  # it waits for three minutes, until podman counts a failing health check
def test_on_podman_4_9_a_container_that_fails_its_health_check_three_times_running_is_started_anew(
    brain: Brain, old: Snapshot
) -> None:
    row = brain.stack.ask(disruption.hung)
    assert row.status is Status.PASS, row.reason
    print(row.question, row.reason)


@pytest.mark.soak  # two minutes and a half; with podman 5 it is tried above
def test_on_podman_4_9_after_a_boot_with_the_windows_machine_off_the_containers_are_back_and_later_the_share(
    brain: Brain, old: Snapshot
) -> None:
    brain.windows.stop()
    try:
        brain.machine.reboot()
        # Software emulates the boot as well: the pod may still be on its way when ssh answers.
        until(lambda: brain.backend()[1:] == ["healthy"], "the backend is healthy after the boot", PATIENCE)
        rows = brain.stack.check()
    finally:
        brain.windows.start()
    assert [row.split(":")[0] for row in failures(rows)] == [f"the account sees the share's files at {SHARE}"]
    text = brain.windows.run("cat /srv/PersonalAssistantHub/README.txt").stdout
    until(lambda: read_by_the_backend(brain, "README.txt") == text, "the backend reads the share", PATIENCE)
    rows = brain.stack.check()
    assert (failures(rows), skips(rows)) == ([], [])
    assert brain.stack.drifted() == {}


def test_on_podman_4_9_destroy_leaves_the_machine_as_it_was(brain: Brain, old: Snapshot) -> None:
    brain.stack.destroy()
    assert lasting_difference(old, brain.machine, LEFT) == []
