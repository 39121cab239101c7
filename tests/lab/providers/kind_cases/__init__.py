"""One module per kind, each with its `CASES`: what test_kinds.py needs to put a kind through every verb.

The suite makes several resources of each case, told apart by a word, the variant: `new` (nothing was there), `old`
(something else was there), `right` (just that was there already), `odd` (it was there with properties of its own, and
the program leaves them out), `imported`, `secret`, `moved` (where a replacement goes). All that a case names on the
machine (paths, accounts, packages) must hold the variant, so that they do not meet.
Shell texts run as root under `sh -eu` on the machine, through Docker and not through Hearth.
"""

from __future__ import annotations

import importlib
import pkgutil
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Inputs = dict[str, Any]
CANARY = f"canary-{secrets.token_hex(4)}"
"""What a secret holds: it must turn up nowhere. Another run beside this one has another."""


@dataclass(frozen=True)
class Case:
    """How to try one kind. A field that is None leaves the tests of it out, because the kind has no such thing."""

    kind: str
    """Name of the class in providers.resources.host, as `File`."""
    wish: Callable[[str], Inputs]
    """variant -> inputs without `host`, in snake_case."""
    holds: Callable[[str, Inputs], str]
    """(variant, inputs) -> a shell text that ends with 0 if the machine is as the inputs say, and with another status
    if not, or not any more after `drift`."""
    look: Callable[[str], str]
    """variant -> a shell text that prints everything that destroy has to put back; it may not fail."""
    drift: Callable[[str], str]
    """variant -> a shell text that changes what is there, so that a refresh must see it."""
    drifted: str
    """The property that a preview must name after `drift` (as on the wire, in the preview's own words)."""
    remove: Callable[[str], str] | None
    """variant -> a shell text that takes the thing away altogether."""
    unknown: str
    """An input (of type string) that comes from another resource's output, so that a first preview does not know it."""
    changed: Callable[[str], Inputs] | None = None
    """variant -> inputs to change in place, by an update."""
    right: Callable[[str, Inputs], str] | None = None
    """(variant, inputs) -> a shell text that makes it so by hand."""
    other: Callable[[str], str] | None = None
    """variant -> a shell text that puts something else in its place, for destroy to put back."""
    moves: bool = True
    """Whether `wish("moved")` in place of `wish("new")` replaces the resource."""
    identity: Callable[[str], str] | None = None
    """variant -> the resource's id behind `machine/`, to import it; None where the kind refuses imports."""
    importable: Callable[[str], Inputs] | None = None
    """variant -> the inputs under which an import finds no difference, where they are others than `wish`."""
    secret: Callable[[str], Inputs] | None = None
    """variant -> inputs to change so that one of them holds CANARY."""
    secret_input: str = ""
    """The input that is then marked as a secret."""
    slow: Callable[[str], Inputs] | None = None
    """variant -> inputs with which a creation takes longer than a minute."""
    least: Callable[[str], Inputs] | None = None
    """variant -> a wish that leaves out all that can be left out."""
    odd: Callable[[str], str] | None = None
    """variant -> a shell text that puts the thing there with other properties than Hearth would give it."""
    kept: Callable[[str], str] | None = None
    """variant -> a shell text that prints the properties that `least` leaves out: they must stay as `odd` made them."""
    drifting: tuple[str, ...] = ("old", "right")
    """Variants on which `drift` is tried; `remove` is tried on `new`."""
    changing: tuple[str, ...] = ("old", "right")
    """Variants on which `changed` is tried."""
    shared: bool = False
    """Whether what `look` prints is the same for every variant."""
    project: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Files of the project that the wishes speak of, by path; one whose name ends with `run` may be run."""
    unreadable: Callable[[str], str] | None = None
    """variant -> a shell text after which the thing can't be looked at; tried on `old`, or on `new` without one."""
    readable: Callable[[str], str] | None = None
    """variant -> a shell text that puts that right, where `up` does not."""
    refused: Callable[[str], Inputs] | None = None
    """variant -> inputs that are refused, on a machine that `in_the_way` has made ready."""
    in_the_way: Callable[[str], str] | None = None
    prepare: str = ""
    """A shell text that is run once, before anything is looked at."""


def all_cases() -> dict[str, Case]:
    """Return every case by its kind's name (and a number where there are several), by the modules' names."""
    cases: dict[str, Case] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
        for case in importlib.import_module(f"{__name__}.{module}").CASES:
            name = case.kind.lower()
            while name in cases:
                name += "2"
            cases[name] = case
    return cases
