"""Hearth's side: plain Pulumi with the provider `hearth`, as `make up` and `make drift` run it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from tests.bench.workload import Workload, WrongResult
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lab import Machine

PROGRAM = """
import sys

sys.path.insert(0, {root!r})
from tests.bench.program import declare

declare({machines!r}, range({files[0]}, {files[1]}), range({units[0]}, {units[1]}))
"""


class Hearth:
    """One stack over all machines, with its state in a temporary folder."""

    name = "Hearth"

    def __init__(
        self,
        folder: Path,
        machines: Sequence[Machine],
        workload: Workload,
        *,
        part: tuple[int, int] = (0, 1),
        environment: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        """Make one. `part` (i, n) declares the i-th of n equal parts of the workload, for estates of several stacks.

        `root` is the tree whose provider and classes are used.
        """
        self._machines = machines
        self._workload = workload
        program = PROGRAM.format(
            root=str(root),
            machines=[machine.name for machine in machines],
            files=_share(workload.files, *part),
            units=_share(workload.units, *part),
        )
        self.workspace = Workspace.create(
            folder,
            program,
            name="hearth",
            providers={"hearth": root / "providers" / "plugin"},
            extra_environment=environment,
        )
        self.workspace.configure("hearth:hosts", json.dumps({machine.name: {} for machine in machines}))
        self.workspace.configure("hearth:ssh-config", str(machines[0].ssh_config))

    def run(self, phase: str) -> None:
        """Do one phase. A drift check that finds something, or an `up` that changes anything again, is an error."""
        if phase == "first up":
            self.workspace.up()
        elif phase == "nothing to do":
            self.workspace.up("--expect-no-changes")
        else:
            command = ["preview", "--refresh", "--expect-no-changes", "--stack", self.workspace.stack]
            answer = self.workspace.pulumi(*command, check=False)
            if answer.returncode != 0:
                raise WrongResult(f"`pulumi {shlex.join(command)}` ended with {answer.returncode}:\n{answer.stdout}")

    def reset(self) -> None:
        """Take all down again."""
        self.workspace.destroy()


def _share(count: int, index: int, parts: int) -> tuple[int, int]:
    return count * index // parts, count * (index + 1) // parts
