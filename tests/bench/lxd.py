"""Figures of the LXD cluster: bare machines to a cluster with an instance each, nothing to do, drift, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.figures import Figure, timed
from tests.bench.workload import WrongResult
from tests.lab.systems.lxd.cluster_stack import ClusterStack, story_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab import Lab

COUNTS = (2, 4)


def measure(lab: Lab, folder: Path, counts: Sequence[int] = COUNTS) -> list[Figure]:
    """Measure everything, on fresh machines for each size of a cluster."""
    found: list[Figure] = []
    for count in counts:
        names = [f"bcn{number}" for number in range(1, count + 1)]
        place = folder / f"lxd-{count}"
        place.mkdir()
        with story_of(lab, place, names) as story:
            found += _of_one(story.stack, count)
    return found


def _of_one(stack: ClusterStack, count: int) -> list[Figure]:
    size = f"{count} members"
    found = [Figure(f"{size}: bare machines to a cluster with one instance each", timed(stack.up))]
    found.append(Figure(f"{size}: up with nothing to do", timed(lambda: stack.up("--expect-no-changes"))))

    def drift() -> None:
        answer = stack.project.workspace.drift()
        if answer.returncode != 0:
            raise WrongResult(f"the drift check ended with {answer.returncode}:\n{answer.stdout}")

    found.append(Figure(f"{size}: drift check", timed(drift)))
    found.append(Figure(f"{size}: every check", timed(stack.checks)))
    found.append(Figure(f"{size}: destroy", timed(stack.destroy)))
    return found
