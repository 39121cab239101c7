"""The maubot host whose `make up` is killed, from nothing, at ten moments.

How far the `up` has come is told by the state, so that the moments are as far apart on a slow machine as on a fast one.
HEARTH_SEED repeats a run (tests/conftest.py). Three more are in every test run: see story.py.
"""

from __future__ import annotations

import random

import pytest

from tests.lab.conftest import MachineFactory
from tests.lab.killing import MOMENTS, SEED, nothing_is_left_running
from tests.lab.support import lasting_difference
from tests.lab.systems.maubot.stack import BOTS, OTHERS, PATIENCE
from tests.lab.systems.maubot.story import Vps, made_ready
from tests.lab.systems.whole_program import resources_in

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def vps(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    found = made_ready(machine("maubot-killed", image="machine-matrix"), tmp_path_factory.mktemp("killed"))
    found.is_set_to(3)
    return found


@pytest.fixture(scope="module")
def resources(vps: Vps) -> int:
    """How many the stack has."""
    return len(resources_in(vps.stack.workspace.preview().stdout))


@pytest.mark.parametrize("number", range(MOMENTS))
def test_an_up_that_was_killed_is_finished_by_the_next_and_destroyed_exactly(
    vps: Vps, resources: int, number: int, capsys: pytest.CaptureFixture[str]
):
    chance = random.Random(SEED + number)
    made, then = int(resources * (number + chance.random()) / MOMENTS), chance.random() * 2
    with capsys.disabled():
        print(f"\nseed {SEED}: killed {then:.1f} s after {made} of {resources} resources", end=" ")
    vps.stack.kill_up(lambda now: now >= made, then)
    vps.stack.run_make("up")
    vps.stack.up("--expect-no-changes")
    assert [vps.device(bot) for bot in BOTS] == ["MAUBOT"] * 3
    vps.stack.run_make("down")
    assert lasting_difference(vps.before, vps.machine, but_for=OTHERS) == []
    nothing_is_left_running(vps.stack, PATIENCE)
