"""The parts of the bench that need no machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import turns
from tests.bench.compare import Row, cells
from tests.bench.measure import Cost
from tests.bench.scale import PART, SIZES, ways, workload_of
from tests.bench.workload import file_text
from toolchain.versions import ROOT


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


def test_a_revision_that_takes_turns_is_a_whole_tree_with_this_ones_environment(tmp_path: Path) -> None:
    this, old, other = turns.variants(["HEAD"], ["GOGC=400"], tmp_path)
    assert this.root == other.root == ROOT
    assert (other.name, other.environment) == ("GOGC=400", {"GOGC": "400"})
    assert (old.root / "providers" / "plugin" / "pulumi-resource-hearth").is_file()
    assert (old.root / ".venv" / "bin" / "python").exists()


def test_each_variant_is_held_against_this_tree() -> None:
    costs = {"this tree": [Cost(2.0, 4.0), Cost(4.0, 5.0), Cost(3.0, 4.5)], "old": [Cost(6.0, 9.0)]}
    assert turns.cells([turns.Row("first up", costs)]) == [
        ("first up", "this tree", "3.0", "4.5", "4.0, 5.0, 4.5", "1.00"),
        ("first up", "old", "6.0", "9.0", "9.0", "2.00"),
    ]
