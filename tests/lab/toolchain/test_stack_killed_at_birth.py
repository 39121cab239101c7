"""SIGKILL in the moments in which the engine makes a stack: whatever comes next goes on by itself.

`strace` ends the engine at the very system call that is named, before that is carried out.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.lab.toolchain.trial import MakeWorkspace, make_workspace, ready, shown
from tests.lab.workspace import Workspace
from tests.needs import needs
from toolchain.stack import backend_locks
from toolchain.versions import ROOT

__all__ = ["make_workspace", "ready"]
pytestmark = needs("strace", "strace")

SETTINGS = "config:\n  trial:word: one\n"
PROGRAM = "import pulumi\npulumi.export('word', pulumi.Config().require('word'))\n"
STATES = ".state/.pulumi/stacks/trial"


@dataclass(frozen=True)
class Moment:
    """A system call of the engine, the file that it is about where several are, and whether the stack is there then."""

    call: str
    file: str = ""
    there: bool = False


MOMENTS = {
    "the lock has no name yet": Moment("renameat"),
    "the stack is half written": Moment("openat", f"{STATES}/dev.json.attrs"),
    "the stack has no name yet": Moment("renameat", f"{STATES}/dev.json"),
    "the stack has a state of nothing": Moment("renameat", f"{STATES}/dev.json.bak", there=True),
    "the settings are emptied and not written yet": Moment("write", "Pulumi.dev.yaml", there=True),
}


def kill(work: Workspace, moment: Moment, verb: str) -> None:
    """Run `make <verb>` until the engine comes to the moment."""
    path = ["-P", str(work.folder / moment.file)] if moment.file else []
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", *path, f"--inject={moment.call}:signal=KILL:when=1"]
    command = [sys.executable, "-m", "toolchain", verb, "--stack", work.stack, "--project", str(work.folder)]
    answer = subprocess.run(
        [*trace, "-e", f"trace={moment.call}", *command],
        cwd=ROOT,
        env=work.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 1, shown(answer)
    assert f"ended with -{signal.SIGKILL.value}" in answer.stderr


@pytest.fixture
def unborn(make_workspace: MakeWorkspace) -> Workspace:
    """Make a project with settings for a stack that is not there, beside one that is."""
    work = replace(make_workspace(PROGRAM, stack="other"), stack="dev")
    (work.folder / "Pulumi.dev.yaml").write_text(SETTINGS)
    return work


def moved(work: Workspace, folder: Path) -> Workspace:
    """Copy the project, as the kill left it."""
    shutil.copytree(work.folder, folder)
    environment = {name: value.replace(str(work.folder), str(folder)) for name, value in work.environment.items()}
    return replace(work, folder=folder, environment=environment)


@pytest.mark.parametrize("name", MOMENTS)
def test_every_command_goes_on_after_a_stack_was_killed_at_birth(unborn: Workspace, tmp_path: Path, name: str) -> None:
    moment = MOMENTS[name]
    kill(unborn, moment, "up")
    backend = unborn.folder / ".state"
    assert backend_locks.is_made(backend, "trial", "dev") == moment.there
    for verb in ("up", "preview", "down"):
        work = moved(unborn, tmp_path / verb)
        answer = work.make(verb)
        assert answer.returncode == 0, shown(answer)
        settings = (work.folder / "Pulumi.dev.yaml").read_text()
        assert "trial:word: one" in settings
        assert "encryptionsalt:" in settings
        assert verb == "up" or work.make("up").returncode == 0
        assert backend_locks.lock_files(work.folder / ".state", "trial", "dev") == []
        assert work.outputs() == {"word": "one"}


@pytest.mark.parametrize("name", ["the lock has no name yet", "the stack has no name yet"])
def test_so_does_a_preview_that_was_killed_while_it_made_the_stack(unborn: Workspace, name: str) -> None:
    kill(unborn, MOMENTS[name], "preview")
    answer = unborn.make("preview")
    assert answer.returncode == 0, shown(answer)
