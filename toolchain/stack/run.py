"""What `make up`, `preview`, `drift` and `down` do: plain Pulumi, with environment and stack made ready for it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from toolchain.errors import ToolchainError
from toolchain.stack import backend_locks
from toolchain.stack.alone import hold_stack
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT, defaults, prepare_state, pulumi_environment
from toolchain.stack.git_filter import settle
from toolchain.stack.lost import forget_lost
from toolchain.stack.recovery import is_ready, make, recover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Brought up on this very machine, so nobody need be asked; any other stack is shown first, and confirmed on a terminal.
STACK_WITHOUT_QUESTIONS = "dev"
CHANGING = ("up", "down")


def up(folder: Path, stack: str, rest: Sequence[str]) -> NoReturn:
    """Bring a stack up, after a killed run from where that ended."""
    environment = ready(folder, stack, "up")
    pending = recover(folder, project_name(folder), stack, environment, say)
    forget_lost(folder, stack, environment, say)
    refresh = ["--refresh"] if pending else []
    become(folder, environment, ["up", "--stack", stack, *consent(stack), *refresh, *rest])


def preview(folder: Path, stack: str, rest: Sequence[str]) -> NoReturn:
    """Show what `up` would change."""
    environment = ready(folder, stack, "preview")
    forget_lost(folder, stack, environment, say, really=False)
    become(folder, environment, ["preview", "--stack", stack, "--diff", *rest])


def drift(folder: Path, stack: str, rest: Sequence[str]) -> NoReturn:
    """Read every resource from its machine and show what differs; Pulumi's exit code 7 says that something does."""
    flags = ["--refresh", "--diff", "--expect-no-changes"]
    become(folder, ready(folder, stack, "drift"), ["preview", "--stack", stack, *flags, *rest])


def down(folder: Path, stack: str, rest: Sequence[str]) -> NoReturn:
    """Take a stack down. The program runs, so that the settings of today are used, such as a machine declared lost.

    It is told that nothing is to be made: so it needs no secrets, and mistakes in the settings do not stop it.
    """
    environment = ready(folder, stack, "down")
    pending = recover(folder, project_name(folder), stack, environment, say)
    creations = [urn for kind, urn in pending if kind == "creating"]
    if creations:
        finish(folder, stack, environment, creations)
    forget_lost(folder, stack, environment, say)
    refresh = ["--refresh"] if pending else []
    environment["HEARTH_GOING_DOWN"] = "1"
    become(folder, environment, ["destroy", "--stack", stack, "--run-program", *consent(stack), *refresh, *rest])


def finish(folder: Path, stack: str, environment: Mapping[str, str], creations: Sequence[str]) -> None:
    """End creations that were cut short, because only what is in the state can be taken down exactly."""
    say("What was being created is finished first, so that it can be taken away again.")
    targets = [part for urn in creations for part in ("--target", urn)]
    command = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", *targets]
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode != 0:
        raise ToolchainError(
            f"Not everything that a killed run began on {stack} could be finished, and what is not in the state can't "
            "be taken down. Nothing was taken down. Correct what Pulumi names above and run this again; "
            f"or leave those leftovers where they are with `pulumi destroy --stack {stack}`."
        )


COMMANDS: dict[str, Callable[[Path, str, Sequence[str]], NoReturn]] = {
    "up": up,
    "preview": preview,
    "drift": drift,
    "down": down,
}


def consent(stack: str) -> list[str]:
    """Return whether Pulumi shows a preview and asks. Without a terminal there is nobody to ask; it is printed."""
    if stack == STACK_WITHOUT_QUESTIONS:
        return ["--yes", "--skip-preview"]
    return [] if sys.stdin.isatty() and sys.stdout.isatty() else ["--yes"]


def ready(folder: Path, stack: str, verb: str) -> dict[str, str]:
    """Return the environment, with the state's folder and the stack in being, and held where `verb` changes it."""
    environment = pulumi_environment(folder)
    launcher = VIRTUAL_ENVIRONMENT / "bin" / "pulumi"
    if not launcher.exists():
        raise ToolchainError(f"{launcher} is not there: run `make setup` first.")
    backend = backend_locks.backend_folder(environment["PULUMI_BACKEND_URL"])
    if defaults(folder, os.environ).keys() & {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        prepare_state(folder)
    # For a folder that is seen here, without the half second that asking Pulumi takes.
    project = project_name(folder)
    there = backend is not None and is_ready(backend, project, stack)
    held: int | None = None
    if backend is not None and (verb in CHANGING or not there):
        held = hold_stack(backend / f".hearth-{project}-{stack}.lock", stack, verb)
    if not there:
        make(folder, project, stack, environment, say)
        settle(folder)
    if held is not None and verb not in CHANGING:
        os.close(held)
    return environment


def project_name(folder: Path) -> str:
    """Return the project's name in Pulumi.yaml."""
    file = folder / "Pulumi.yaml"
    found = re.search(r"^name:\s*[\"']?([\w.-]+)", file.read_text(), re.MULTILINE) if file.is_file() else None
    if found is None:
        raise ToolchainError(f"{file} has no line `name: <project>`: without it Pulumi knows no project.")
    return found[1]


def become_pulumi(folder: Path, rest: Sequence[str]) -> NoReturn:
    """Become the plain command line, with the environment of this folder."""
    if defaults(folder, os.environ).keys() & {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        prepare_state(folder)
    become(folder, pulumi_environment(folder), rest)


def become(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> NoReturn:
    """Turn this process into pulumi, so that signals and exit codes are its own."""
    sys.stdout.flush()
    os.chdir(folder)
    try:
        os.execvpe("pulumi", ["pulumi", *arguments], dict(environment))
    except FileNotFoundError as error:
        raise ToolchainError("There is no pulumi on the PATH: run `make setup` first.") from error


def exports(folder: Path) -> str:
    """Return the lines for a shell's `eval` that make the plain `pulumi` find the same state."""
    wanted = defaults(folder, os.environ)
    wanted["PATH"] = pulumi_environment(folder)["PATH"]
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in wanted.items())


def say(text: str) -> None:
    """Say one line to the user."""
    print(text, flush=True)
