"""The whole program on lab machines, as users run it: what the stacks of several systems' tests share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from checks.result import CheckResult, Status
from lab import Machine
from tests.lab.project import shown
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

Answer = subprocess.CompletedProcess[str]


class WholeProgram:
    """One stack of the real program, in a folder apart, on one machine.

    `host` is the machine's name in the settings, `patience` the seconds that an `up` or a `destroy` may take.
    """

    def __init__(self, folder: Path, machine: Machine, *, host: str, patience: float) -> None:
        self.machine, self.patience = machine, patience
        self.workspace = Workspace.create(
            folder,
            (ROOT / "__main__.py").read_text(),
            name="hearth",
            providers={"hearth": ROOT / "providers" / "plugin"},
            extra_environment={"PYTHONPATH": str(ROOT)},
        )
        self.hosts = {"hosts": {host: {"address": machine.name}}, "ssh-config": str(machine.ssh_config)}
        self.workspace.configure("hearth:hosts", json.dumps(self.hosts["hosts"]))
        self.workspace.configure("hearth:ssh-config", str(machine.ssh_config))

    def up(self, *flags: str) -> str:
        """Run `pulumi up`, which must go well; return what it printed."""
        return went_well(self.try_up(*flags))

    def try_up(self, *flags: str) -> Answer:
        """Run `pulumi up`, however it goes."""
        command = ("up", "--yes", "--skip-preview", "--stack", self.workspace.stack, *flags)
        return self.workspace.pulumi(*command, check=False, timeout=self.patience)

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

    def run_make(self, command: str, *arguments: str) -> str:
        """Run what `make <command>` runs to its end, which must go well; return what it printed."""
        answer = subprocess.run(
            self.make(command, *arguments),
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
        return sum(each["type"].startswith(("hearth:host:", "hearth:matrix:")) for each in found)

    def drifted(self) -> dict[str, str]:
        """Return what `make drift` shows: resource -> its part of the preview. Empty where nothing drifted."""
        answer = self.workspace.drift()
        assert answer.returncode in (0, 7), shown(answer)
        parts = resources_in(answer.stdout)
        assert bool(parts) == (answer.returncode == 7), shown(answer)
        return parts


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
        if re.match(r" *[-+~<>]+ hearth:(host|matrix):", block) and name:
            parts[name[1]] = parts.get(name[1], "") + block
    return parts


def failures(rows: list[CheckResult]) -> list[str]:
    """Return what does not hold, as `question: reason`."""
    return [f"{row.question}: {row.reason}" for row in rows if row.status is Status.FAIL]


def skips(rows: list[CheckResult]) -> list[str]:
    """Return what could not be asked."""
    return [row.question for row in rows if row.status is Status.SKIP]
