"""Times of processes that this one starts, and what is made of several runs."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PHASES = ("first up", "nothing to do", "drift check")
"""What is measured, in this order: each builds on the one before."""


@dataclass(frozen=True)
class Cost:
    """What one command took. Processor time is that of this machine alone, and steadier where others work beside."""

    seconds: float
    processor: float

    @classmethod
    def median(cls, costs: Iterable[Cost]) -> Cost:
        """Return the median of each figure by itself."""
        several = list(costs)
        return cls(
            statistics.median(each.seconds for each in several), statistics.median(each.processor for each in several)
        )


class Side(Protocol):
    """One of the two that are compared."""

    name: str

    def run(self, phase: str) -> None:
        """Do one of PHASES; raise where it did not do what it is measured for."""
        ...

    def reset(self) -> None:
        """Take away all that `first up` made."""
        ...


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what `work` takes, with all processes that it starts and waits for."""
    before, start = _processor(), time.monotonic()
    work()
    return Cost(time.monotonic() - start, _processor() - before)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
