"""What both sides are measured on: so many small files and so many systemd services on each machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Machine

FILE = "/etc/hearth-bench-{index:04d}.conf"
UNIT = "hearth-bench-{index:04d}.service"
# A configuration file of some 400 bytes, as most are.
FILE_LINES = 12


class WrongResult(RuntimeError):
    """A side did not do what it was measured for, so its time says nothing."""


@dataclass(frozen=True)
class Workload:
    """How many of each, on every machine."""

    files: int = 100
    units: int = 20

    @property
    def resources(self) -> int:
        """Resources on one machine."""
        return self.files + self.units

    def found_on(self, machine: Machine) -> tuple[int, int]:
        """Return how many of the files and of the running, enabled units are on a machine: asked over Docker."""
        script = """
        find /etc -maxdepth 1 -name 'hearth-bench-*.conf' | wc -l
        for unit in $(systemctl list-units --plain --no-legend --state=active 'hearth-bench-*.service' | cut -d' ' -f1)
        do systemctl is-enabled --quiet "$unit" && echo "$unit"; done | wc -l
        """
        files, units = machine.run(script).stdout.split()
        return int(files), int(units)

    def must_be_on(self, machines: Sequence[Machine], who: str) -> None:
        """Raise WrongResult unless all of it is on every machine."""
        for machine in machines:
            self._compare(machine, (self.files, self.units), f"after {who}'s first run")

    def must_be_gone_from(self, machines: Sequence[Machine], who: str) -> None:
        """Raise WrongResult unless nothing of it is on any machine."""
        for machine in machines:
            self._compare(machine, (0, 0), f"after what {who} made was taken away")

    def _compare(self, machine: Machine, wanted: tuple[int, int], when: str) -> None:
        found = self.found_on(machine)
        if found != wanted:
            raise WrongResult(
                f"{machine.name} has {found[0]} files and {found[1]} running units {when}; "
                f"{wanted[0]} and {wanted[1]} were expected. Its times would mean nothing, so none are shown."
            )


def file_text(index: str) -> str:
    """Return the text of a file. `index` is a number, or a template's expression for it."""
    lines = [f"setting-{line:02d} = value of line {line} in file {index}" for line in range(FILE_LINES)]
    return "\n".join(lines) + "\n"


def unit_text(index: str) -> str:
    """Return the text of a service that runs and costs nothing. `index` as above."""
    return f"""[Unit]
Description=Service {index} of a measurement

[Service]
ExecStart=/usr/bin/sleep infinity
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
