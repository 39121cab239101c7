"""The SecondBrain host on a machine with a kernel of its own: CIFS, cgroup v2, a real boot.

One machine for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from checks.result import Status
from checks.secondbrain.share_access import dropped
from lab import Lab, Service
from lab.kernel import KernelMachine
from tests.lab.support import until
from tests.lab.systems.secondbrain.brain import PATIENCE, PAUSE, SETTINGS, SHARE, Brain
from tests.lab.systems.secondbrain.stack import ACCOUNT, Stack
from tests.lab.systems.whole_program import failures, skips
from toolchain.versions import ROOT

pytestmark = pytest.mark.timeout(1800)

# Each health check starts podman, a second and more of a processor in software.
RARELY = {"pod": {**SETTINGS["pod"], "health-interval": 20}}


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
    yield Brain(made, Stack(folder, made, {**SETTINGS, **RARELY}, secrets=True), windows)
    lab.remove("kernel")


@pytest.fixture(scope="module")
def up(brain: Brain) -> str:
    """Return what the first `up` printed."""
    return brain.stack.up()


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
    assert "No such file" in brain.reads("no-such-file")
    text = brain.windows.run("cat /srv/PersonalAssistantHub/README.txt").stdout
    assert text
    assert brain.reads("README.txt") == text
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


def test_with_the_windows_machine_off_and_on_again_and_a_boot_between_the_files_are_back(brain: Brain, up: str) -> None:
    brain.windows.stop()
    try:
        said = brain.reads("notes/today.txt")
        assert re.search("Host is down|timed out|Resource temporarily|No such device|Input/output", said), said
        assert isinstance(brain.machine, KernelMachine)
        brain.machine.reboot()
        # Software emulates the boot as well: the pod may still be on its way when ssh answers.
        until(lambda: brain.backend()[1:] == ["healthy"], "it is healthy after the boot", PATIENCE, pause=PAUSE)
    finally:
        brain.windows.start()
    text = brain.windows.run("cat /srv/PersonalAssistantHub/notes/today.txt").stdout
    until(lambda: brain.reads("notes/today.txt") == text, "the backend reads the share again", PATIENCE, pause=PAUSE)
    until(lambda: brain.backend()[1:] == ["healthy"], "it is healthy", PATIENCE, pause=PAUSE)
    until(lambda: brain.machine.ssh("true", check=False).ok, "the machine answers over SSH", PATIENCE)


def test_destroy_ends_the_containers_and_the_mount(brain: Brain, up: str) -> None:
    brain.stack.destroy()
    assert not brain.machine.run(f"findmnt {SHARE}", check=False).ok
    assert not brain.machine.run(f"id {ACCOUNT}", check=False).ok
