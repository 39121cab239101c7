"""`make up` is killed, or loses its machine's network, in the middle: what is left goes on, and goes away exactly.

The moments are random, spread over the time that an `up` takes here; HEARTH_SEED repeats a run (tests/conftest.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Machine, Snapshot, difference
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, shown, went_well

MOMENTS = 10
FINISHED, TAKEN_DOWN = (1, 4), (7,)
"""The moments that every test run tries; `make soak` tries the others."""
SEED = int(os.environ["HEARTH_SEED"])
PATIENCE = 60.0
"""Seconds after which a process that was to end by itself counts as left behind. A command under way may be finished
first, and a worker that lost its connection without a word waits for 45 s."""
PROGRAM = """
from providers.host.resources import Unit
folder = Directory("folder", host="box", path="/srv/killed", mode="0750")
inside = ResourceOptions(depends_on=[folder])
for n in range(6):
    File(f"file{n}", host="box", path=f"/srv/killed/file{n}", content=f"file {n}\\n" * 100, opts=inside)
old = File("old", host="box", path="/etc/was-there", content="new text\\n", mode="0600")
for n in range(2):
    Block(f"block{n}", host="box", path="/etc/shared", name=f"block{n}", content=f"block {n}")
user = User("user", host="box", name="killed")
script = Script("script", host="box", name="script", check="test -e /srv/killed/script",
                apply="sleep 1; echo half > /srv/killed/half; sleep 0.5; mv /srv/killed/half /srv/killed/script",
                undo="rm -f /srv/killed/half /srv/killed/script", opts=inside)
Unit("unit", host="box", name="killed.service", enabled=True, running=True,
     text="[Service]\\nUser=killed\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n",
     opts=ResourceOptions(depends_on=[user, script]))
"""
PACKAGE = """
from providers.host.resources import Package
Package("package", host="box", name="cifs-utils")
"""
MADE = 13
"""Resources of the program."""


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("killed")
    made.write("/etc/was-there", "old text\n", mode="0640", owner="root:adm")
    made.write("/etc/shared", "the line of others, without its end")
    return made


@pytest.fixture(scope="module")
def before(box: Machine) -> Snapshot:
    return box.snapshot()


@pytest.fixture(scope="module")
def project(box: Machine, before: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("killed"), box)
    made.program(PROGRAM)
    return made


@pytest.fixture(scope="module")
def duration(project: Project, before: Snapshot) -> float:
    """Seconds that an `up` from nothing takes here."""
    began = time.monotonic()
    went_well(project.run_make("up"))
    seconds = time.monotonic() - began
    destroyed_exactly(project, before)
    return seconds


def start(project: Project, command: str) -> subprocess.Popen[str]:
    """`make up` in a process group of its own; it turns into the engine, and keeps its number."""
    output = (project.workspace.folder / "killed.log").open("w")
    with output:
        return subprocess.Popen(
            project.make(command),
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def ours(project: Project) -> dict[int, str]:
    """Processes of this machine that work for the project: they all inherit where its state is."""
    mark = f"PULUMI_BACKEND_URL={project.workspace.environment['PULUMI_BACKEND_URL']}\0".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def workers(machine: Machine) -> list[str]:
    """Hearth's processes on a machine, by their command line."""
    return machine.run("ps axo pid=,args= | grep '[e]xec(compile(s, \"hearth\"' || true").stdout.splitlines()


def eventually(holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def nothing_is_left_running(project: Project) -> None:
    assert eventually(lambda: not ours(project)), ours(project)
    assert eventually(lambda: not workers(project.machine)), workers(project.machine)


def locks(project: Project) -> list[Path]:
    return list((project.workspace.folder / ".state" / ".pulumi" / "locks").rglob("*.json"))


def kill(project: Project, command: str, moment: float, *, group: bool) -> None:
    """Kill `make up` (or its whole process group) after `moment` seconds, and see that nothing of it goes on."""
    process = start(project, command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    nothing_is_left_running(project)


def everything_is_there(project: Project) -> None:
    machine = project.machine
    assert len(project.resources()) == MADE
    assert machine.run("cat /srv/killed/file* | wc -l").stdout.strip() == "600"
    assert machine.read("/etc/was-there") == "new text\n"
    assert machine.read("/etc/shared").count("hearth") == 4
    assert machine.run("systemctl is-active killed.service").stdout.strip() == "active"
    assert not machine.exists("/srv/killed/half")


def destroyed_exactly(project: Project, before: Snapshot) -> None:
    went_well(project.run_make("down"))
    assert difference(before, project.machine.snapshot()) == []
    nothing_is_left_running(project)


def moments(duration: float) -> list[float]:
    """One moment in each tenth of the time that an `up` takes."""
    chance = random.Random(SEED)
    return [duration * (number + chance.random()) / MOMENTS for number in range(MOMENTS)]


def each_moment(sample: tuple[int, ...]) -> pytest.MarkDecorator:
    """A test at each moment; those outside the sample are for `make soak`."""
    numbers = [pytest.param(n, marks=[] if n in sample else pytest.mark.soak) for n in range(MOMENTS)]
    return pytest.mark.parametrize("number", numbers)


@each_moment(FINISHED)
def test_an_up_that_was_killed_is_finished_by_the_next_and_destroyed_exactly(
    project: Project, before: Snapshot, duration: float, number: int, capsys: pytest.CaptureFixture[str]
):
    moment, group = moments(duration)[number], number % 2 == 0
    with capsys.disabled():
        whom = "its process group" if group else "the engine"
        print(f"\nseed {SEED}: {whom} killed after {moment:.2f} s of {duration:.2f} s", end=" ")
    kill(project, "up", moment, group=group)
    was_locked = bool(locks(project))
    answer = went_well(project.run_make("up"))
    assert ("its lock is taken away" in answer.stdout) == was_locked, shown(answer)
    everything_is_there(project)
    destroyed_exactly(project, before)


@each_moment(TAKEN_DOWN)
def test_an_up_that_was_killed_can_be_taken_down_at_once(
    project: Project, before: Snapshot, duration: float, number: int, capsys: pytest.CaptureFixture[str]
):
    moment = moments(duration)[number]
    with capsys.disabled():
        print(f"\nseed {SEED}: killed after {moment:.2f} s of {duration:.2f} s, then down", end=" ")
    kill(project, "up", moment, group=False)
    destroyed_exactly(project, before)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_destroy_that_was_killed_is_finished_by_the_next(
    project: Project, before: Snapshot, duration: float, number: int
):
    went_well(project.run_make("up"))
    kill(project, "down", moments(duration)[number], group=False)
    destroyed_exactly(project, before)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(MOMENTS))
def test_an_installation_that_was_killed_is_finished_by_the_next(
    project: Project, before: Snapshot, duration: float, number: int
):
    project.program(PROGRAM + PACKAGE)
    try:
        kill(project, "up", 2 * moments(duration)[number], group=False)
        went_well(project.run_make("up"))
        assert project.machine.run("dpkg-query -W -f '${db:Status-Abbrev}' cifs-utils").stdout.strip() == "ii"
        destroyed_exactly(project, before)
    finally:
        project.program(PROGRAM)


def test_a_network_that_is_cut_for_20_seconds_holds_an_up_up_and_no_more(
    project: Project, before: Snapshot, box: Machine
):
    process = start(project, "up")
    try:
        assert eventually(lambda: box.exists("/srv/killed/file0"), 120)
        box.cut_network()
        try:
            time.sleep(20)
        finally:
            box.restore_network()
        process.wait(180)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    assert process.returncode == 0, (project.workspace.folder / "killed.log").read_text()
    everything_is_there(project)
    destroyed_exactly(project, before)


@pytest.fixture
def foreign_lock(project: Project) -> Iterator[Path]:
    folder = project.workspace.folder / ".state" / ".pulumi" / "locks" / "organization" / "trial" / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "0c0ffee0-0000-4000-8000-000000000000.json"
    lock = {"pid": 4242, "username": "ann", "hostname": "another-machine", "timestamp": "2026-01-02T03:04:05.678Z"}
    path.write_text(json.dumps(lock))
    yield path
    path.unlink()


def test_a_lock_of_another_machine_is_left_alone(project: Project, foreign_lock: Path):
    answer = project.run_make("up")
    assert answer.returncode != 0
    printed = shown(answer)
    assert "locked by pid 4242 of ann@another-machine" in printed
    assert "Nothing was changed" in printed
    assert foreign_lock.exists()
    assert not project.machine.exists("/srv/killed")
