"""The SecondBrain host whose `make up` is killed, or loses its machine's network, in the middle.

How far the `up` has come is told by the state, so that the moments are as far apart on a slow machine as on a fast one.
HEARTH_SEED repeats a run (tests/conftest.py).
"""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass

import pytest

from lab import Service, Snapshot
from tests.lab.conftest import MachineFactory
from tests.lab.killing import SEED, end_group, eventually, log, nothing_is_left_running, running
from tests.lab.support import lasting_difference
from tests.lab.systems.secondbrain.stack import PATIENCE, Stack
from tests.lab.systems.secondbrain.test_secondbrain import LEFT, SETTINGS
from tests.lab.systems.whole_program import failures, resources_in

pytestmark = pytest.mark.timeout(1800)  # two or three of the longest commands, on a machine that may be busy
MOMENTS = 6  # of an `up`, at each of which it is killed once
SAMPLE = random.Random(SEED).randrange(MOMENTS)
"""The moment that every test run tries; `make soak` tries the others."""


@dataclass
class Brain:
    """The stack of one machine, how that was before, and how many resources it gets."""

    stack: Stack
    before: Snapshot
    resources: int


@pytest.fixture(scope="module")
def brain(
    request: pytest.FixtureRequest,
    machine: MachineFactory,
    registry: Service,
    windows: Service,
    tmp_path_factory: pytest.TempPathFactory,
) -> Brain:
    # In the soak the packages come and go as well, which is most of the time.
    soak = request.config.getoption("markexpr") == "soak"
    made = machine("secondbrain-killed", image="machine" if soak else "machine-podman")
    stack = Stack(tmp_path_factory.mktemp("killed"), made, SETTINGS, secrets=True)
    return Brain(stack, made.snapshot(), len(resources_in(stack.workspace.preview().stdout)))


def moment(brain: Brain, number: int) -> tuple[int, float]:
    """Return how many resources are there at a moment, and seconds after that."""
    chance = random.Random(SEED + number)
    return int(brain.resources * (number + chance.random()) / MOMENTS), chance.random() * 2


def wait_for(brain: Brain, process: subprocess.Popen[str], made: int, then: float) -> None:
    eventually(lambda: brain.stack.made() >= made or process.poll() is not None, PATIENCE)
    # On a quick machine it may be through by then; that it failed is another matter.
    assert process.poll() in (None, 0), log(brain.stack).read_text()
    time.sleep(then)


def destroyed_exactly(brain: Brain) -> None:
    brain.stack.run_make("down")
    assert lasting_difference(brain.before, brain.stack.machine, LEFT) == []
    nothing_is_left_running(brain.stack, PATIENCE)  # an installation under way is finished first


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=[] if number == SAMPLE else pytest.mark.soak) for number in range(MOMENTS)]
)
def test_an_up_that_was_killed_is_finished_by_the_next_and_destroyed_exactly(
    brain: Brain, number: int, capsys: pytest.CaptureFixture[str]
):
    made, then = moment(brain, number)
    with capsys.disabled():
        print(f"\nseed {SEED}: killed {then:.1f} s after {made} of {brain.resources} resources", end=" ")
    with running(brain.stack, "up") as process:
        wait_for(brain, process, made, then)
        end_group(process)
    nothing_is_left_running(brain.stack, PATIENCE)
    brain.stack.run_make("up")
    assert failures(brain.stack.check()) == []
    destroyed_exactly(brain)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(MOMENTS))
def test_an_up_that_was_killed_can_be_taken_down_at_once(brain: Brain, number: int):
    made, then = moment(brain, number)
    with running(brain.stack, "up") as process:
        wait_for(brain, process, made, then)
        process.kill()
    destroyed_exactly(brain)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(MOMENTS))
def test_after_20_seconds_without_a_network_the_up_or_the_next_one_goes_on(
    brain: Brain, number: int, capsys: pytest.CaptureFixture[str]
):
    made, then = moment(brain, number)
    with running(brain.stack, "up") as process:
        wait_for(brain, process, made, then)
        with brain.stack.machine.network_cut():
            time.sleep(20)
        process.wait(PATIENCE)
    said = log(brain.stack).read_text()
    with capsys.disabled():
        print(f"\nseed {SEED}: cut off {then:.1f} s after {made} resources, ended with {process.returncode}", end=" ")
    assert "Traceback" not in said
    # What fetches something just then, as apt does, may fail.
    assert process.returncode == 0 or "What to do:" in said, said
    brain.stack.run_make("up")
    assert failures(brain.stack.check()) == []
    destroyed_exactly(brain)
