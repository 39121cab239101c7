"""Single figures, where there is nothing to compare them with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HEADINGS = ("What", "Figure")


@dataclass(frozen=True)
class Figure:
    """One thing that was measured."""

    what: str
    figure: str


def since(begun: float) -> str:
    """Return what has passed since a moment of `time.monotonic`."""
    return f"{time.monotonic() - begun:.1f} s"


def timed(work: Callable[[], object]) -> str:
    """Return what a work takes."""
    begun = time.monotonic()
    work()
    return since(begun)


def cells(figure: Figure) -> tuple[str, str]:
    """Return a row of the table."""
    return figure.what, figure.figure


def table(title: str, figures: list[Figure]) -> Table:
    """Return the figures, for a person."""
    return plain_table(title, HEADINGS, map(cells, figures))


def plain_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return any rows, for a person."""
    made = Table(*headings, title=title)
    for row in rows:
        made.add_row(*row)
    return made
