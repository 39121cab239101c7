"""Hearth against itself: this tree, another revision of it, other settings of its environment, in turns in one run.

What else the computer does meets all of them, so that a change of a tenth can be told from noise.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.hearth import Hearth
from tests.bench.measure import PHASES, Cost, cost_of
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lab import Machine
    from tests.bench.workload import Workload


@dataclass(frozen=True)
class Variant:
    """One of those that take turns."""

    name: str
    root: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Row:
    """One phase, and what it took each variant, run by run."""

    phase: str
    costs: Mapping[str, Sequence[Cost]]


def variants(revisions: Sequence[str], settings: Sequence[str], folder: Path) -> list[Variant]:
    """Return this tree, a copy of it for each revision, and this tree with each setting (NAME=VALUE)."""
    found = [Variant("this tree")]
    for number, revision in enumerate(revisions):
        copy = folder / f"revision-{number}"
        copy.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(copy)], input=archive.stdout, check=True)
        (copy / ".venv").symlink_to(VIRTUAL_ENVIRONMENT)
        found.append(Variant(revision, copy))
    for setting in settings:
        name, _, value = setting.partition("=")
        found.append(Variant(setting, environment={name: value}))
    return found


def take_turns(
    each: Sequence[Variant],
    folder: Path,
    machine: Machine,
    workload: Workload,
    runs: int,
    say: Callable[[str], None],
) -> list[Row]:
    """Take every variant through the phases, `runs` times."""
    sides = [
        Hearth(
            folder / f"variant-{number}",
            [machine],
            workload,
            environment={**variant.environment, "PYTHONPATH": str(variant.root)},
            root=variant.root,
        )
        for number, variant in enumerate(each)
    ]
    costs: dict[str, dict[str, list[Cost]]] = {phase: {variant.name: [] for variant in each} for phase in PHASES}
    for run in range(1, runs + 1):
        for variant, side in zip(each, sides, strict=True):
            for phase in PHASES:
                cost = cost_of(lambda side=side, phase=phase: side.run(phase))
                costs[phase][variant.name].append(cost)
                say(f"run {run} of {runs}: {variant.name}, {phase}: {cost.seconds:.1f} s, CPU {cost.processor:.1f} s")
                if phase == PHASES[0]:
                    workload.must_be_on([machine], variant.name)
            side.reset()
            workload.must_be_gone_from([machine], variant.name)
    return [Row(phase, found) for phase, found in costs.items()]


HEADINGS = ("phase", "variant", "s, median", "CPU s, median", "CPU s, each", "CPU, of this tree's")


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the rows of a table, a line for each variant."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        first = Cost.median(next(iter(row.costs.values())))
        for name, costs in row.costs.items():
            median = Cost.median(costs)
            every = ", ".join(f"{each.processor:.1f}" for each in costs)
            share = f"{median.processor / first.processor:.2f}"
            lines.append((row.phase, name, f"{median.seconds:.1f}", f"{median.processor:.1f}", every, share))
    return lines
