"""Whatever a check of the SecondBrain host asks is broken once, on a real machine, and the check says so.

One machine for all, and one with a kernel of its own for what is asked of the mounted share.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest

from checks.result import CheckResult, Status
from checks.secondbrain import disruption
from checks.secondbrain.share_access import dropped
from components.secondbrain.deployed import DeployedSecondBrain
from lab import Lab, Service
from providers.machine.session import Session
from tests.lab.conftest import MachineFactory
from tests.lab.support import until
from tests.lab.systems.secondbrain.stack import ACCOUNT, Stack
from tests.lab.systems.secondbrain.test_secondbrain import MOUNT, SETTINGS, UNITS
from tests.lab.systems.secondbrain.test_secondbrain_kernel import PATIENCE, SHARE
from tests.lab.systems.secondbrain.test_secondbrain_kernel import SETTINGS as ON_A_KERNEL
from tests.lab.systems.whole_program import failures, skips

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

RELOAD = "systemctl --user daemon-reload"
LISTED, READ = "the share's files can be listed with the same credentials", "a file under 1 MB is read"
UNIT = "mnt-PersonalAssistantHub"


@dataclass(frozen=True)
class Break:
    """What is done on the machine, and undone; as root, or as the account. `too` are other rows that then fail."""

    how: str
    undone: str
    user: str = "root"
    too: tuple[str, ...] = ()


def edited(path: str, expression: str, then: str = "true") -> tuple[str, str]:
    """Return shell that edits a file with sed, and shell that puts it back, mode and owner included."""
    return (
        f"cp -p {path} ~/whole && sed -i '{expression}' {path} && {then}",
        f"cat ~/whole > {path} && rm ~/whole && {then}",
    )


BREAKS: dict[str, Break] = {
    "the prerequisites are installed": Break(
        "mv /usr/bin/machinectl /usr/bin/away", "mv /usr/bin/away /usr/bin/machinectl"
    ),
    f"the account {ACCOUNT} exists and nobody can log in as it": Break(
        f"usermod --shell /bin/bash {ACCOUNT}", f"usermod --shell /usr/sbin/nologin {ACCOUNT}"
    ),
    "it has subordinate ids that overlap nobody's": Break(
        *edited("/etc/subuid", f"s/^{ACCOUNT}:.*/{ACCOUNT}:100000:65536/")
    ),
    "it can't read another user's home": Break("chmod 0755 /home/backstage440", "chmod 0700 /home/backstage440"),
    "the pod is defined as units": Break(
        f"mv {UNITS}/secondbrain-backend.container ~/away && {RELOAD}",
        f"mv ~/away {UNITS}/secondbrain-backend.container && {RELOAD}",
        ACCOUNT,
        ("they start at boot", "containers are started anew when they end"),
    ),
    "they start at boot": Break(*edited(f"{UNITS}/secondbrain-ollama.container", "/WantedBy/d", RELOAD), ACCOUNT),
    "containers are started anew when they end": Break(
        *edited(f"{UNITS}/secondbrain-ollama.container", "s/^Restart=.*/Restart=on-failure/", RELOAD), ACCOUNT
    ),
    "only root can read the credentials": Break(
        "chmod 0644 /etc/samba/credentials.secondbrain", "chmod 0600 /etc/samba/credentials.secondbrain"
    ),
    "a boot never waits for the Windows machine": Break(*edited("/etc/fstab", "s/,nofail//")),
    "it is mounted at the first access": Break(f"systemctl stop {UNIT}.automount", f"systemctl start {UNIT}.automount"),
}
"""A row's question -> how it is broken."""


@pytest.fixture(scope="module")
def stack(
    machine: MachineFactory, registry: Service, windows: Service, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    made = Stack(tmp_path_factory.mktemp("broken"), machine("broken", image="machine-podman"), SETTINGS, secrets=True)
    made.up()
    return made


@pytest.fixture(scope="module")
def mounted(lab: Lab, registry: Service, windows: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Bring the same up on a kernel of its own, where the share is mounted."""
    made = lab.machine("mounted", image="machine-podman", kernel=True, fresh=True)
    stack = Stack(tmp_path_factory.mktemp("mounted"), made, ON_A_KERNEL, secrets=True)
    stack.up()
    yield stack
    lab.remove("mounted")


@contextlib.contextmanager
def broken(stack: Stack, each: Break) -> Generator[None]:
    """Have something broken inside a `with`."""
    stack.machine.run(each.how, user=each.user)
    try:
        yield
    finally:
        stack.machine.run(each.undone, user=each.user)


def questions_that_fail(stack: Stack, **bounds: float) -> set[str]:
    return {row.question for row in stack.check(**bounds) if row.status is Status.FAIL}


def wait_until_well(stack: Stack) -> None:
    until(lambda: failures(stack.check()) == [], "all checks pass again", PATIENCE)


def drop_in(unit: str, text: str) -> tuple[str, str]:
    """Return shell for the account: a drop-in of one of its units, and its end."""
    folder = f"$XDG_RUNTIME_DIR/systemd/user/{unit}.service.d"
    return (
        f"mkdir -p {folder} && printf '[Service]\\n{text}\\n' > {folder}/broken.conf && {RELOAD}",
        f"rm -r {folder} && {RELOAD}",
    )


def test_all_hold_to_begin_with_and_each_row_of_a_check_is_broken_here(stack: Stack) -> None:
    rows = stack.check()
    assert (failures(rows), skips(rows)) == ([], [MOUNT])
    own = ("its services run without anybody logged in", "all containers run and are healthy", "the backend answers")
    own = (*own, "ollama answers", LISTED)
    assert {row.question for row in rows if not row.question.startswith(own)} == {*BREAKS, MOUNT}
    assert len(rows) == len(BREAKS) + len(own) + 1


@pytest.mark.parametrize("question", BREAKS)
def test_what_is_broken_fails_and_nothing_else(stack: Stack, question: str) -> None:
    with broken(stack, BREAKS[question]):
        assert questions_that_fail(stack) == {question, *BREAKS[question].too}


def test_services_that_end_with_the_last_login_are_seen(stack: Stack) -> None:
    with broken(stack, Break(f"loginctl disable-linger {ACCOUNT}", f"loginctl enable-linger {ACCOUNT}")):
        assert "its services run without anybody logged in" in questions_that_fail(stack)
    wait_until_well(stack)


def test_containers_that_do_not_run_are_seen_and_that_they_do_not_answer(stack: Stack) -> None:
    units = "secondbrain-ollama secondbrain-backend"
    with broken(stack, Break(f"systemctl --user stop {units}", f"systemctl --user start {units}", ACCOUNT)):
        failed = sorted(question.partition(" within")[0] for question in questions_that_fail(stack))
    assert failed == ["all containers run and are healthy", "ollama answers", "the backend answers"]
    wait_until_well(stack)


def test_a_share_that_is_away_is_seen(stack: Stack, windows: Service) -> None:
    windows.stop()
    try:
        assert questions_that_fail(stack) == {LISTED}
    finally:
        windows.start()
    wait_until_well(stack)


def not_in_time(stack: Stack, check: disruption.Check, **bounds: float) -> None:
    """Ask a disruptive check, which must say that it did not come about in time."""
    row = stack.ask(check, **bounds)
    assert (row.status, row.reason[:9]) == (Status.FAIL, "not after")


def test_a_container_whose_health_is_not_asked_any_more_is_seen(stack: Stack) -> None:
    stop = "systemctl --user stop \"$(podman inspect --format '{{.Id}}' secondbrain-backend)*.timer\""

    async def check(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
        await session.run("sh", "-c", stop, user=ACCOUNT)
        return await disruption.hung(session, deployed)

    not_in_time(stack, check, BACK_SECONDS=20)
    wait_until_well(stack)


def test_a_container_that_does_not_restart_is_seen(stack: Stack) -> None:
    with broken(stack, Break(*drop_in("secondbrain-ollama", "Restart=no"), ACCOUNT)):
        not_in_time(stack, disruption.killed("ollama"), BACK_SECONDS=20)
    wait_until_well(stack)


def test_a_pod_that_is_late_is_seen(stack: Stack) -> None:
    with broken(stack, Break(*drop_in("secondbrain-backend", "ExecStartPre=/bin/sleep 60"), ACCOUNT)):
        not_in_time(stack, disruption.from_zero, FROM_ZERO_SECONDS=30)
    wait_until_well(stack)


def test_a_slow_share_is_seen(mounted: Stack) -> None:
    late = "modprobe sch_netem && tc qdisc add dev eth0 root netem delay 1s"
    with broken(mounted, Break(late, "tc qdisc del dev eth0 root")):
        failed = questions_that_fail(mounted, READ_MILLISECONDS=500)
    assert [question.startswith(READ) for question in failed] == [True]


def test_a_mount_that_hangs_is_seen(mounted: Stack) -> None:
    again = f"systemctl daemon-reload && systemctl stop {UNIT}.mount && ls {SHARE}"
    with broken(mounted, Break(*edited("/etc/fstab", "s/,soft,/,hard,/", again))):
        options = mounted.machine.run(f"findmnt --noheadings --types cifs --output OPTIONS {SHARE}").stdout
        assert "hard" in options
        row = mounted.ask(dropped, NO_HANG_SECONDS=100)
    assert (row.status, row.reason[:10]) == (Status.FAIL, "it hung fo")
    assert failures(mounted.check()) == []
