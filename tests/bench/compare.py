"""Hearth against Ansible: the same work on the same machines, in turns, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from tests.bench.measure import PHASES, Cost, Side, cost_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab import Machine
    from tests.bench.workload import Workload

GOALS: dict[int, dict[str, float]] = {
    1: {"first up": 0.05, "nothing to do": 0.02, "drift check": 0.03},
    4: {"first up": 0.35, "nothing to do": 0.12, "drift check": 0.20},
}
"""What is to be reached: Hearth's time as a share of Ansible's, by number of machines and phase."""


@dataclass(frozen=True)
class Row:
    """One phase on so many machines, and what it took each side."""

    machines: int
    phase: str
    hearth: Cost
    ansible: Cost

    @property
    def ratio(self) -> float:
        """Hearth's time as a share of Ansible's."""
        return self.hearth.seconds / self.ansible.seconds

    @property
    def goal(self) -> float:
        """What the ratio should be at most."""
        return GOALS[self.machines][self.phase]

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.ratio <= self.goal


def compare(
    hearth: Side,
    ansible: Side,
    machines: Sequence[Machine],
    workload: Workload,
    runs: int,
    say: Callable[[str], None],
) -> list[Row]:
    """Return both sides in turns, `runs` times; the rows hold medians."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    for run in range(1, runs + 1):
        for side in (hearth, ansible):
            for phase in PHASES:
                cost = cost_of(lambda side=side, phase=phase: side.run(phase))
                costs.setdefault((side.name, phase), []).append(cost)
                say(f"run {run} of {runs}, machines {len(machines)}: {side.name}, {phase}: {cost.seconds:.1f} s")
                if phase == PHASES[0]:
                    workload.must_be_on(machines, side.name)
            side.reset()
            workload.must_be_gone_from(machines, side.name)
    return [
        Row(
            len(machines),
            phase,
            Cost.median(costs[hearth.name, phase]),
            Cost.median(costs[ansible.name, phase]),
        )
        for phase in PHASES
    ]


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as texts."""
    return (
        str(row.machines),
        row.phase,
        f"{row.hearth.seconds:.1f}",
        f"{row.ansible.seconds:.1f}",
        f"{row.ratio:.3f}",
        f"{row.goal:.2f}",
        "within" if row.reached else "not yet",
        f"{row.hearth.processor:.1f}",
        f"{row.ansible.processor:.1f}",
    )


HEADINGS = (
    "machines",
    "phase",
    "Hearth, s",
    "Ansible, s",
    "ratio",
    "goal, at most",
    "",
    "Hearth, CPU s",
    "Ansible, CPU s",
)


def table(rows: Sequence[Row], workload: Workload, runs: int) -> Table:
    """Return the figures for a terminal."""
    each = f"{workload.files} files and {workload.units} systemd units on each machine"
    made = Table(title=f"{each}; median of {runs}", title_justify="left")
    for heading in HEADINGS:
        made.add_column(heading, justify="left" if heading in {"phase", ""} else "right")
    for index, row in enumerate(rows):
        style = "green" if row.reached else "yellow"
        last = index + 1 < len(rows) and rows[index + 1].machines != row.machines
        made.add_row(*cells(row), style=style, end_section=last)
    return made
