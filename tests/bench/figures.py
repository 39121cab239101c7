"""Single figures, where there is nothing to compare them with."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

HEADINGS = ("What", "Figure")


@dataclass(frozen=True)
class Figure:
    """One thing that was measured."""

    what: str
    figure: str


def cells(figure: Figure) -> tuple[str, str]:
    """A row of the table."""
    return figure.what, figure.figure


def table(title: str, figures: list[Figure]) -> Table:
    """The figures, for a person."""
    made = Table(*HEADINGS, title=title)
    for figure in figures:
        made.add_row(*cells(figure))
    return made
