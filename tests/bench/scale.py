"""How Hearth's own times grow with the resources on one machine, and what an estate of many can do about it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from tests.bench.hearth import Hearth
from tests.bench.measure import PHASES, Cost, cost_of
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lab import Machine

SIZES = (100, 400, 1000)
PART = 200
"""Resources in one stack where the estate is split."""


@dataclass(frozen=True)
class Way:
    """A way to keep the same resources."""

    name: str
    stacks: int = 1
    together: int = 1
    """Stacks that are brought up at the same time."""
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Growth:
    """What the phases took for so many resources, kept in one way."""

    resources: int
    way: str
    costs: Mapping[str, Cost]
    state_bytes: int


def workload_of(resources: int) -> Workload:
    """Return the comparison's mix, five files to one unit, in another size."""
    units = resources // 6
    return Workload(files=resources - units, units=units)


def ways(resources: int) -> tuple[Way, ...]:
    """Return what is measured at a size.

    Skipped checkpoints lose the record of a killed run: a comparison, no advice.
    """
    parts = resources // PART
    found = [Way("one stack")]
    if parts > 1:
        found.append(Way(f"{parts} stacks of {PART}, one after another", stacks=parts))
    if parts > 2:
        found.append(Way(f"{parts} stacks of {PART}, two at a time", stacks=parts, together=2))
        found.append(Way("one stack, compressed state", environment={"PULUMI_DIY_BACKEND_ZSTD": "true"}))
        found.append(Way("one stack, checkpoints skipped", environment={"PULUMI_SKIP_CHECKPOINTS": "true"}))
    return tuple(found)


def grow(folder: Path, machine: Machine, sizes: Sequence[int], runs: int, say: Callable[[str], None]) -> list[Growth]:
    """Measure every way at every size, `runs` times, and return the medians."""
    results: list[Growth] = []
    for resources in sizes:
        workload = workload_of(resources)
        for way in ways(resources):
            costs: dict[str, list[Cost]] = {phase: [] for phase in PHASES}
            size = 0
            for run in range(runs):
                place = folder / f"{resources}-{len(results)}-{run}"
                stacks = [
                    Hearth(place / str(part), [machine], workload, part=(part, way.stacks), environment=way.environment)
                    for part in range(way.stacks)
                ]
                for phase in PHASES:
                    cost = cost_of(lambda stacks=stacks, phase=phase, way=way: _run_all(stacks, phase, way.together))
                    costs[phase].append(cost)
                    say(f"{resources} resources, {way.name}: {phase}: {cost.seconds:.1f} s")
                    if phase == PHASES[0]:
                        workload.must_be_on([machine], "Hearth")
                size = max(_state_size(stack) for stack in stacks)
                for stack in stacks:
                    stack.reset()
                workload.must_be_gone_from([machine], "Hearth")
            medians = {phase: Cost.median(each) for phase, each in costs.items()}
            results.append(Growth(resources, way.name, medians, size))
    return results


def _run_all(stacks: Sequence[Hearth], phase: str, together: int) -> None:
    errors: list[BaseException] = []

    def one_after_another(some: Sequence[Hearth]) -> None:
        try:
            for stack in some:
                stack.run(phase)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that started this one
            errors.append(error)

    threads = [threading.Thread(target=one_after_another, args=(stacks[lane::together],)) for lane in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _state_size(stack: Hearth) -> int:
    # Behind the state's name is the compression's; its backup and attributes lie beside it and are no larger.
    return max(path.stat().st_size for path in stack.workspace.folder.glob(".state/.pulumi/stacks/hearth/dev.json*"))


HEADINGS = ("resources", "kept as", *(f"{phase}, s (CPU)" for phase in PHASES), "largest state, KiB")


def cells(row: Growth) -> tuple[str, ...]:
    """Return a row as texts."""
    times = (f"{row.costs[phase].seconds:.1f} ({row.costs[phase].processor:.1f})" for phase in PHASES)
    return (str(row.resources), row.way, *times, f"{row.state_bytes / 1024:.0f}")


def table(rows: Sequence[Growth], runs: int) -> Table:
    """Return the figures for a terminal."""
    made = Table(title=f"Growth on one machine; median of {runs}", title_justify="left")
    for heading in HEADINGS:
        made.add_column(heading, justify="left" if heading == "kept as" else "right")
    for row in rows:
        made.add_row(*cells(row))
    return made
