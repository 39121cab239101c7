"""The Pulumi program that is measured; imported by the `__main__.py` that tests/bench/hearth.py writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.resources.host import File, Unit
from tests.bench.workload import FILE, UNIT, file_text, unit_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def declare(machines: Sequence[str], files: range, units: range) -> None:
    """Declare every file and service, with nothing that makes one wait for another."""
    for host in machines:
        for index in files:
            path = FILE.format(index=index)
            File(f"{host}-file-{index}", host=host, path=path, content=file_text(str(index)), mode="0644")
        for index in units:
            name = UNIT.format(index=index)
            Unit(f"{host}-unit-{index}", host=host, name=name, text=unit_text(str(index)), enabled=True, running=True)
