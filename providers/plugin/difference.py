"""How one state of a resource differs from another, as Pulumi's protocol says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Change(Enum):
    """How a property differs; the values are those of Pulumi's protocol."""

    ADD = 0
    DELETE = 2
    UPDATE = 4


@dataclass(frozen=True)
class Difference:
    """What an update would change. `replaces` names the properties that make it another thing."""

    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    items: dict[str, Change] = field(default_factory=dict[str, Change])
    """The same, with what is told entry by entry taken apart: for showing."""
    replaces: tuple[str, ...] = ()
    delete_first: bool = True


def entries(wish: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Change]:
    """Tell how the entries of a map differ."""
    result: dict[str, Change] = {}
    for key in sorted(wish.keys() | found.keys()):
        if key not in found:
            result[key] = Change.ADD
        elif key not in wish:
            result[key] = Change.DELETE
        elif wish[key] != found[key]:
            result[key] = Change.UPDATE
    return result
