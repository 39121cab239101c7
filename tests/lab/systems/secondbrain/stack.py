"""The whole program on a lab machine, for the tests of the SecondBrain host: what `make up` runs, in a folder apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from checks.result import CheckResult, Status
from checks.run import connected, run_checks
from checks.secondbrain import disruption, share_access
from checks.secondbrain.disruption import Check
from checks.stack import DeployedStack
from checks.system import Context
from components.secondbrain.deployed import DeployedSecondBrain
from config.hosts import Machines
from lab import Machine
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

ACCOUNT = "secondbrain"
PATIENCE = 840.0
"""Seconds for an `up` or a `destroy` on a machine that is a container: packages come and go one after the other, and
other tests may run beside."""
Answer = subprocess.CompletedProcess[str]
GENEROSITY = 4  # times what the task list allows
BOUNDS = {
    disruption: ("BACK_SECONDS", "FROM_ZERO_SECONDS"),
    share_access: ("READ_MILLISECONDS", "BACK_SECONDS", "NO_HANG_SECONDS"),
}
"""What the projects ask of a machine that has its processor to itself. docs/benchmarks.md has what was measured."""


class Stack:
    """One stack of the real program, whose machine is called `brain` in the settings."""

    def __init__(self, folder: Path, machine: Machine, settings: Mapping[str, Any], *, secrets: bool) -> None:
        self.machine = machine
        self.patience = PATIENCE * machine.slowness
        self.workspace = Workspace.create(
            folder,
            (ROOT / "__main__.py").read_text(),
            name="hearth",
            providers={"hearth": ROOT / "providers" / "plugin"},
            extra_environment={"PYTHONPATH": str(ROOT)},
        )
        self.hosts = {"hosts": {"brain": {"address": machine.name}}, "ssh-config": str(machine.ssh_config)}
        self.workspace.configure("hearth:hosts", json.dumps(self.hosts["hosts"]))
        self.workspace.configure("hearth:ssh-config", str(machine.ssh_config))
        if secrets:
            self.workspace.configure("hearth:secrets-file", str(machine.folder / "secrets.json"))
        self.settings(settings)

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Set `hearth:secondbrain`."""
        self.workspace.configure("hearth:secondbrain", json.dumps({"host": "brain", **settings}))

    def up(self, *flags: str) -> str:
        """Run `pulumi up`, which must go well; return what it printed."""
        command = ("up", "--yes", "--skip-preview", "--stack", self.workspace.stack, *flags)
        return went_well(self.workspace.pulumi(*command, check=False, timeout=self.patience))

    def destroy(self) -> str:
        """Run `pulumi destroy`, which must go well; return what it printed."""
        command = ("destroy", "--yes", "--skip-preview", "--run-program", "--stack", self.workspace.stack)
        return went_well(self.workspace.pulumi(*command, check=False, timeout=self.patience))

    def make(self, command: str, *arguments: str) -> list[str]:
        """Return the command line of what `make <command>` runs, for this stack."""
        where = ["--stack", self.workspace.stack, "--project", str(self.workspace.folder)]
        return [sys.executable, "-m", "toolchain", command, *where, *(["--", *arguments] if arguments else [])]

    def environment(self) -> Mapping[str, str]:
        """Return the environment of `make`."""
        return self.workspace.environment

    def run_make(self, command: str) -> str:
        """Run what `make <command>` runs to its end, which must go well; what it printed."""
        answer = subprocess.run(
            self.make(command),
            env=dict(self.environment()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
            check=False,
        )
        return went_well(answer)

    def made(self) -> int:
        """Return how many resources on machines the state holds at this moment, while an `up` may be at work."""
        path = self.workspace.folder / ".state" / ".pulumi" / "stacks" / "hearth" / f"{self.workspace.stack}.json"
        try:
            found = json.loads(path.read_text())["checkpoint"]["latest"].get("resources", [])
        except (OSError, ValueError):  # it is just being written
            return 0
        return sum(each["type"].startswith("hearth:host:") for each in found)

    def drifted(self) -> dict[str, str]:
        """Return what `make drift` shows: resource -> its part of the preview. Empty where nothing drifted."""
        answer = self.workspace.drift()
        assert answer.returncode in (0, 7), shown(answer)
        parts = resources_in(answer.stdout)
        assert bool(parts) == (answer.returncode == 7), shown(answer)
        return parts

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


def shown(answer: Answer) -> str:
    """Return all that a command printed."""
    return f"{answer.stdout}\n{answer.stderr}"


def went_well(answer: Answer) -> str:
    """Fail with all that was printed, unless the command ended with 0."""
    assert answer.returncode == 0, shown(answer)
    return shown(answer)


def resources_in(preview: str) -> dict[str, str]:
    """Return the resources that a preview would change, with the lines about each.

    Those that stay the same are left out.
    """
    parts: dict[str, str] = {}
    for block in re.split(r"(?m)^(?= *[-+~<>]+ hearth:)", preview):
        name = re.search(r"urn=[^\]]*::([^\]:]+)\]", block)
        if re.match(r" *[-+~<>]+ hearth:host:", block) and name:
            parts[name[1]] = parts.get(name[1], "") + block
    return parts


def failures(rows: list[CheckResult]) -> list[str]:
    """Return what does not hold, as `question: reason`."""
    return [f"{row.question}: {row.reason}" for row in rows if row.status is Status.FAIL]


def skips(rows: list[CheckResult]) -> list[str]:
    """Return what could not be asked."""
    return [row.question for row in rows if row.status is Status.SKIP]
