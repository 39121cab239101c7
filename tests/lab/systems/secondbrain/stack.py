"""The whole program on a lab machine, for the tests of the SecondBrain host: what `make up` runs, in a folder apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from checks.result import CheckResult
from checks.run import connected, run_checks
from checks.secondbrain import disruption, share_access
from checks.secondbrain.disruption import Check
from checks.stack import DeployedStack
from checks.system import Context
from components.secondbrain.deployed import DeployedSecondBrain
from config.hosts import Machines
from lab import Machine
from tests.lab.systems.whole_program import WholeProgram

ACCOUNT = "secondbrain"
PATIENCE = 840.0
"""Seconds for an `up` or a `destroy` on a machine that is a container: packages come and go one after the other, and
other tests may run beside."""
GENEROSITY = 4  # times what the task list allows
BOUNDS = {
    disruption: ("BACK_SECONDS", "FROM_ZERO_SECONDS"),
    share_access: ("READ_MILLISECONDS", "BACK_SECONDS", "NO_HANG_SECONDS"),
}
"""What the projects ask of a machine that has its processor to itself. docs/benchmarks.md has what was measured."""


class Stack(WholeProgram):
    """One stack of the real program, whose machine is called `brain` in the settings."""

    def __init__(self, folder: Path, machine: Machine, settings: Mapping[str, Any], *, secrets: bool) -> None:
        super().__init__(folder, machine, host="brain", patience=PATIENCE * machine.slowness)
        if secrets:
            self.workspace.configure("hearth:secrets-file", str(machine.folder / "secrets.json"))
        self.settings(settings)

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Set `hearth:secondbrain`."""
        self.workspace.configure("hearth:secondbrain", json.dumps({"host": "brain", **settings}))

    def check(self, **bounds: float) -> list[CheckResult]:
        """Return the rows of `make check`. `bounds` of them: wide enough where none are given."""
        deployed = DeployedStack(self.workspace.outputs(), Machines.from_namespace(self.hosts))
        with generous(self.machine, **bounds):
            return asyncio.run(run_checks(deployed, self.workspace.folder))["secondbrain"]

    def deployed(self) -> DeployedSecondBrain:
        """Return what the stack tells its checks."""
        return DeployedSecondBrain.parse("secondbrain", self.workspace.outputs()["secondbrain"])

    def ask(self, check: Check, **bounds: float) -> CheckResult:
        """Ask one of the checks of `make check DISRUPTIVE=1`. `bounds` of it: wide enough where none are given."""
        deployed = self.deployed()

        async def asked() -> CheckResult:
            async with connected(Machines.from_namespace(self.hosts), self.workspace.folder) as inventory:
                context = Context(inventory, disruptive=True)
                return await context.on(deployed.host, lambda session: check(session, deployed), deadline=self.patience)

        with generous(self.machine, **bounds):
            return asyncio.run(asked())

    def as_account(self, command: str, *, check: bool = True) -> str:
        """Run a command on the machine as the account, in its own session."""
        return self.machine.run(command, user=ACCOUNT, check=check).stdout


@contextlib.contextmanager
def generous(machine: Machine, **bounds: float) -> Generator[None]:
    """Give what the checks bound more time, as lab machines share a processor; or as much as `bounds` say, by name."""
    with contextlib.ExitStack() as patched:
        for module, names in BOUNDS.items():
            for name in names:
                wide = getattr(module, name) * GENEROSITY * machine.slowness
                patched.enter_context(mock.patch.object(module, name, bounds.get(name, wide)))
        yield
