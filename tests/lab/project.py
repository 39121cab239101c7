"""A Pulumi project with the provider `hearth` in a temporary folder, for tests that write programs of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import Machine
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

HEAD = """
import pulumi
from pulumi import CustomTimeouts, Output, ResourceOptions
from providers.resources.host import Block, Directory, File, Script, User
"""
PROVIDER = ROOT / "providers" / "plugin"
Answer = subprocess.CompletedProcess[str]


class Project:
    """One stack, with the machine `box` in its settings.

    `provider` is the folder that has Hearth's provider, `python_path` where its program looks for modules first.
    """

    def __init__(
        self, folder: Path, machine: Machine, *, provider: Path = PROVIDER, python_path: str = str(ROOT)
    ) -> None:
        self.machine = machine
        self.workspace = Workspace.create(
            folder,
            HEAD,
            name="trial",
            providers={"hearth": provider},
            extra_environment={"PYTHONPATH": python_path},
        )
        self._settings: dict[str, Any] = {}
        self.usual()

    def usual(self) -> None:
        """Set the settings with which the machine is reached."""
        self.settings(hosts={"box": {"address": self.machine.name}}, ssh_config=str(self.machine.ssh_config))

    def settings(self, **values: Any) -> None:
        """Set keys of the namespace `hearth`; None takes one away."""
        for name, value in values.items():
            key = f"hearth:{name.replace('_', '-')}"
            if self._settings.get(key) == value:
                continue
            self._settings[key] = value
            self.workspace.configure(key, value if value is None or isinstance(value, str) else json.dumps(value))

    def program(self, text: str) -> None:
        """Write the program; the resource classes are imported already."""
        self.workspace.write(HEAD + text)

    def up(self, *flags: str) -> Answer:
        """Run `pulumi up`, which must go well."""
        return went_well(self.workspace.up(*flags, check=False))

    def failed_up(self, *flags: str) -> str:
        """Run `pulumi up`, which must fail without a traceback; return all that it printed."""
        answer = self.workspace.up(*flags, check=False)
        assert answer.returncode != 0, answer.stdout
        printed = shown(answer)
        assert "Traceback" not in printed, printed
        assert "bug in Hearth" not in printed, printed
        return printed

    def destroy(self) -> Answer:
        """Run `pulumi destroy`, which must go well."""
        return went_well(self.workspace.destroy(check=False))

    def make(self, command: str, *arguments: str) -> list[str]:
        """Return the command line of what `make <command>` runs, for this project."""
        code = (
            "from pathlib import Path; from toolchain.stack import run; "
            f"run.{command}(Path({str(self.workspace.folder)!r}), {self.workspace.stack!r}, {list(arguments)!r})"
        )
        return [sys.executable, "-c", code]

    def environment(self) -> dict[str, str]:
        """Return the environment of `make`."""
        return {**self.workspace.environment, "PYTHONPATH": str(ROOT)}

    def run_make(self, command: str, *arguments: str, timeout: float = 600) -> Answer:
        """Run what `make <command>` runs to its end."""
        return subprocess.run(
            self.make(command, *arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def machines(self) -> set[str]:
        """Return the ids of the machines on which the state says that the resources are."""
        return {each["outputs"]["machine"]["id"] for each in self._ours()}

    def addresses(self) -> set[str]:
        """Return the addresses at which the state says that these machines are."""
        return {each["outputs"]["machine"]["address"] for each in self._ours()}

    def resources(self) -> list[str]:
        """Return the names of the resources in the state, without the stack and its provider."""
        return sorted(each["urn"].rsplit("::", 1)[-1] for each in self._ours())

    def _ours(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.workspace.state().get("resources", [])
        return [each for each in found if each["type"].startswith("hearth:")]


def shown(answer: Answer) -> str:
    """Return all that a command printed."""
    return f"{answer.stdout}\n{answer.stderr}"


def about(printed: str, name: str) -> str:
    """Return the diagnostics of one resource in what a run of Pulumi printed."""
    parts = re.split(r"(?m)^  \S.* \((\S+)\):$", printed.partition("\nDiagnostics:\n")[2])
    return "".join(text for found, text in zip(parts[1::2], parts[2::2], strict=True) if found == name)


def went_well(answer: Answer) -> Answer:
    """Fail with all that was printed, unless the command ended with 0."""
    assert answer.returncode == 0, shown(answer)
    return answer
