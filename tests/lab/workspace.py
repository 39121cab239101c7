"""A Pulumi project in a folder of its own, with its own state and passphrase, for tests and trials.

It runs the engine that `make setup` readied, through the plain command line. Nothing of the caller's Pulumi
environment (backend, passphrase, login) is used or touched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from providers.plugin.values import SIGNATURE
from toolchain.errors import ToolchainError
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT, prepare_state, pulumi_environment
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_SECONDS = 600.0
QUIET = ("--non-interactive", "--color", "never")


@dataclass(frozen=True)
class Workspace:
    """A project folder, the environment to run Pulumi in, and the stack that is used."""

    folder: Path
    environment: Mapping[str, str]
    stack: str

    @classmethod
    def create(
        cls,
        folder: Path,
        program: str,
        *,
        name: str = "trial",
        stack: str = "dev",
        providers: Mapping[str, Path] | None = None,
        extra_environment: Mapping[str, str] | None = None,
    ) -> Workspace:
        """Write Pulumi.yaml and `__main__.py` into a folder, and make the stack.

        `providers` names folders that hold an executable `pulumi-resource-<name>`.
        """
        if not (VIRTUAL_ENVIRONMENT / "bin" / "pulumi").exists():
            raise ToolchainError("There is no engine: run `make setup` first.")
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        plugins = [{"name": key, "path": str(path)} for key, path in (providers or {}).items()]
        # A value in JSON is one in YAML.
        project = f"name: {name}\nruntime: python\nplugins: {json.dumps({'providers': plugins})}\n"
        (folder / "Pulumi.yaml").write_text(project)
        prepare_state(folder)
        environment = {**pulumi_environment(folder, own_state=True), **(extra_environment or {})}
        workspace = cls(folder, environment, stack)
        workspace.write(program)
        workspace.pulumi("stack", "select", "--create", stack)
        return workspace

    def write(self, program: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(program)

    def pulumi(
        self, *arguments: str, check: bool = True, timeout: float = DEADLINE_SECONDS, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. `text` is its standard input.

        With `check`, any other exit code than 0 raises with all that was printed.
        """
        command = ["pulumi", *QUIET, *arguments]
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and answer.returncode != 0:
            said = f"{answer.stdout}\n{answer.stderr}"
            raise ToolchainError(f"`{' '.join(command)}` ended with {answer.returncode}:\n{said}")
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command, in a process group of its own, and leave it running."""
        return subprocess.Popen(
            ["pulumi", *QUIET, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def make(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return what `make up`, `preview`, `drift` and `down` run, in this project.

        After a killed run they set it right.
        """
        return subprocess.run(
            [sys.executable, "-m", "toolchain", command, "--stack", self.stack, "--project", str(self.folder)]
            + (["--", *arguments] if arguments else []),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi up`, without a preview."""
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", self.stack, *arguments, check=check)

    def preview(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi preview`, property by property."""
        return self.pulumi("preview", "--diff", "--stack", self.stack, *arguments, check=check)

    def drift(self) -> subprocess.CompletedProcess[str]:
        """Return what `make drift` runs: its exit code is 0 when nothing drifted and 7 when something did."""
        return self.preview("--refresh", "--expect-no-changes", check=False)

    def destroy(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi destroy`, as `make down` runs it."""
        flags = ("--yes", "--skip-preview", "--run-program", "--stack", self.stack)
        return self.pulumi("destroy", *flags, *arguments, check=check)

    def configure(self, key: str, value: str | None, *, secret: bool = False) -> None:
        """Set one value of the stack's settings, or takes it away; without a namespace it is the project's."""
        if secret and value is not None:
            # On stdin, so that no list of processes ever shows it.
            self.pulumi("config", "set", "--secret", "--raw", "--stack", self.stack, key, text=value)
            return
        # Written as an editor would: each `pulumi config set` takes a third of a second.
        path = self.folder / f"Pulumi.{self.stack}.yaml"
        settings = read_yaml(path)
        values = {**settings.get("config", {})}
        whole = key if ":" in key else f"{read_yaml(self.folder / 'Pulumi.yaml')['name']}:{key}"
        values.pop(whole, None)
        if value is not None:
            values[whole] = value
        path.write_text(yaml.safe_dump({**settings, "config": values}))

    def configure_secrets(self, secrets: Mapping[str, str], *, path: bool = False) -> None:
        """Set secrets by one run of `pulumi config set-all`, which derives their key once: a third of a second.

        They are among its arguments. With `path`, the keys are paths within settings.
        """
        words = [word for key, value in secrets.items() for word in ("--secret", f"{key}={value}")]
        self.pulumi("config", "set-all", "--stack", self.stack, *(["--path"] if path else []), *words)

    def outputs(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the stack's outputs."""
        found = [each for each in self.state().get("resources", []) if each["type"] == "pulumi:pulumi:Stack"]
        plain: dict[str, Any] = found[0].get("outputs", {}) if found else {}
        if SIGNATURE not in json.dumps(plain):
            return plain
        flags = ["--show-secrets"] if show_secrets else []
        return json.loads(self.pulumi("stack", "output", "--json", "--stack", self.stack, *flags).stdout)

    def state(self) -> dict[str, Any]:
        """Return the stack's state: its `resources` and `pending_operations` among others. Secrets stay encrypted."""
        # Where it is in the project's folder it is read there: `pulumi stack export` takes longer, and the processor.
        project = read_yaml(self.folder / "Pulumi.yaml")["name"]
        path = self.folder / ".state" / ".pulumi" / "stacks" / project / f"{self.stack}.json"
        if self.environment["PULUMI_BACKEND_URL"].startswith("file:") and path.exists():
            return json.loads(path.read_text())["checkpoint"].get("latest") or {}
        return json.loads(self.pulumi("stack", "export", "--stack", self.stack).stdout)["deployment"]


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a file's mapping; nothing where there is no file."""
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
