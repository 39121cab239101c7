"""The SecondBrain host on podman 4.9, which has no pods in its Quadlet: containers in a network of their own.

One machine for all: a container in `make test`, one with a kernel of its own in the soak. The tests are in the order
in which things happen.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.result import Status
from checks.secondbrain import disruption
from lab import Lab, Service, Snapshot
from lab.kernel import KernelMachine
from lab.systems.secondbrain.podman4.build import PODMAN, put_on
from tests.lab.support import lasting_difference, skip_or_fail, until
from tests.lab.systems.secondbrain.brain import PATIENCE, SETTINGS, SHARE, Brain
from tests.lab.systems.secondbrain.stack import Stack
from tests.lab.systems.secondbrain.test_secondbrain import LEFT, MOUNT
from tests.lab.systems.whole_program import failures, skips

pytestmark = pytest.mark.timeout(1800)

UNITS = "/var/lib/secondbrain/.config/containers/systemd"
KERNELS = [
    pytest.param(False, id="container"),
    # Software emulates its processor: some ten minutes.
    pytest.param(True, id="own-kernel", marks=pytest.mark.soak),
]


@pytest.fixture(scope="module", params=KERNELS)
def brain(
    request: pytest.FixtureRequest,
    lab: Lab,
    registry: Service,
    windows: Service,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Brain]:
    if PODMAN.built() is None:
        skip_or_fail("podman 4.9 is not built on this computer: python -m lab.systems.secondbrain.podman4")
    made = lab.machine("podman4", image="machine-podman", kernel=request.param, fresh=True)
    put_on(made)
    # As on a machine that was not restarted since podman was installed.
    made.run("rm -rf /var/lib/cni")
    yield Brain(made, Stack(tmp_path_factory.mktemp("podman4"), made, SETTINGS, secrets=True), windows)
    lab.remove("podman4")


@pytest.fixture(scope="module")
def before(brain: Brain) -> Snapshot:
    """Bring the host up; return how the machine was before."""
    taken = brain.machine.snapshot()
    brain.stack.up()
    return taken


def skipped(brain: Brain) -> list[str]:
    """Return what the checks skip there: a container mounts no share."""
    return [] if isinstance(brain.machine, KernelMachine) else [MOUNT]


def test_it_brings_the_network_form_up_healthy_in_order(brain: Brain, before: Snapshot) -> None:
    assert brain.stack.as_account("podman --version").split()[-1] == PODMAN.version
    units = [f"secondbrain-{role}.container" for role in ("backend", "ollama")]
    assert brain.machine.run(f"ls {UNITS}").stdout.split() == [*units, "secondbrain.network"]
    # When ollama was healthy, and when the backend was first tried.
    entered = "systemctl --user show --property={}TimestampMonotonic --value secondbrain-{}"
    healthy = int(brain.stack.as_account(entered.format("ActiveEnter", "ollama")))
    begun = int(brain.stack.as_account(entered.format("InactiveExit", "backend")))
    assert 0 < healthy <= begun
    rows = brain.stack.check()
    assert (failures(rows), skips(rows)) == ([], skipped(brain))
    brain.stack.up("--expect-no-changes")


@pytest.mark.parametrize("role", ["backend", pytest.param("ollama", marks=pytest.mark.soak)])
def test_a_killed_container_comes_back(brain: Brain, before: Snapshot, role: str) -> None:
    row = brain.stack.ask(disruption.killed(role))
    assert row.status is Status.PASS, row.reason
    print(row.question, row.reason)


@pytest.mark.soak  # it waits for three minutes, until podman counts a failing health check
def test_a_container_that_fails_its_health_check_three_times_running_is_started_anew(
    brain: Brain, before: Snapshot
) -> None:
    row = brain.stack.ask(disruption.hung)
    assert row.status is Status.PASS, row.reason
    print(row.question, row.reason)


@pytest.mark.soak
def test_after_a_boot_with_the_windows_machine_off_the_containers_are_back_and_later_the_share(
    brain: Brain, before: Snapshot
) -> None:
    if not isinstance(brain.machine, KernelMachine):
        pytest.skip("a container mounts no share")
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
    until(lambda: brain.reads("README.txt") == text, "the backend reads the share", PATIENCE)
    rows = brain.stack.check()
    assert (failures(rows), skips(rows)) == ([], skipped(brain))
    assert brain.stack.drifted() == {}


def test_destroy_leaves_the_machine_as_it_was(brain: Brain, before: Snapshot) -> None:
    brain.stack.destroy()
    assert lasting_difference(before, brain.machine, LEFT) == []
