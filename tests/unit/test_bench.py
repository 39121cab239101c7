"""The parts of the bench that need no machine."""

from __future__ import annotations

import pytest

from tests.bench.compare import Row, cells
from tests.bench.measure import Cost
from tests.bench.scale import PART, SIZES, ways, workload_of
from tests.bench.workload import file_text


@pytest.mark.parametrize(("hearth", "told"), [(2.0, "within"), (2.1, "not yet")])
def test_a_ratio_is_within_its_goal_up_to_the_goal_itself(hearth: float, told: str) -> None:
    row = Row(1, "first up", Cost(hearth, 1.0), Cost(40.0, 1.0))
    assert told in cells(row)


def test_a_median_is_taken_of_each_figure_by_itself() -> None:
    assert Cost.median([Cost(3.0, 10.0), Cost(1.0, 30.0), Cost(2.0, 20.0)]) == Cost(2.0, 20.0)


@pytest.mark.parametrize("resources", SIZES)
def test_every_size_is_made_of_as_many_resources_as_it_says(resources: int) -> None:
    assert workload_of(resources).resources == resources
    assert all(way.stacks in (1, resources // PART) for way in ways(resources))


def test_both_sides_write_the_same_text() -> None:
    assert file_text("7") == file_text("{{ item }}").replace("{{ item }}", "7")
