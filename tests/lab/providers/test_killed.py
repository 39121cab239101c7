"""`make up` is killed, or loses its machine's network, in the middle: what is left goes on, and goes away exactly.

The moments are random, spread over the time that an `up` takes here; HEARTH_SEED repeats a run (tests/conftest.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Machine, Snapshot
from tests.lab.conftest import MachineFactory
from tests.lab.killing import (
    MOMENTS,
    PATIENCE,
    PROGRAM,
    SEED,
    destroyed_exactly,
    eventually,
    everything_is_there,
    kill,
    locks,
    log,
    moments,
    nothing_is_left_running,
    plugin_of,
    running,
)
from tests.lab.project import Project, shown, went_well

FINISHED, TAKEN_DOWN = (1, 4), (7,)
"""The moments that every test run tries; `make soak` tries the others."""
Process = subprocess.Popen[str]
PACKAGE = """
from providers.resources.host import Package
Package("package", host="box", name="cifs-utils")
"""


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
    """Return the seconds that an `up` from nothing takes here."""
    began = time.monotonic()
    went_well(project.run_make("up"))
    seconds = time.monotonic() - began
    destroyed_exactly(project, before)
    return seconds


def each_moment(sample: tuple[int, ...]) -> pytest.MarkDecorator:
    """Return a test at each moment; those outside the sample are for `make soak`."""
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


def kill_the_provider(project: Project, process: Process) -> None:
    for pid in plugin_of(project):
        os.kill(pid, signal.SIGKILL)


def interrupt(project: Project, process: Process) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(0, MOMENTS, 3))
@pytest.mark.parametrize("end", [kill_the_provider, interrupt], ids=["its provider killed", "interrupted by its user"])
def test_an_up_that_ends_before_its_time_is_finished_by_the_next(
    project: Project, before: Snapshot, duration: float, number: int, end: Callable[[Project, Process], None]
):
    with running(project, "up") as process:
        assert eventually(lambda: bool(plugin_of(project)))
        time.sleep(moments(duration)[number] / 2)
        end(project, process)
        process.wait(PATIENCE)
    assert "Traceback" not in log(project).read_text()
    nothing_is_left_running(project)
    went_well(project.run_make("up"))
    everything_is_there(project)
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
    with running(project, "up") as process:
        assert eventually(lambda: box.exists("/srv/killed/file0"), 240)
        with box.network_cut():
            time.sleep(20)
        process.wait(PATIENCE)
    assert process.returncode == 0, log(project).read_text()
    everything_is_there(project)
    destroyed_exactly(project, before)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(0, MOMENTS, 3))
def test_a_machine_that_loses_its_power_holds_an_up_up_and_no_more(
    project: Project, before: Snapshot, box: Machine, duration: float, number: int
):
    with running(project, "up") as process:
        assert eventually(lambda: box.exists("/var/lib/hearth"))
        time.sleep(moments(duration)[number] / 2)
        box.power_cut()
        box.start()
        process.wait(180)
    assert process.returncode == 0, log(project).read_text()
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
