"""A trial project on the toolchain as `make setup` leaves it, for the tests of the toolchain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.workspace import Workspace
from toolchain.versions import ROOT
from toolchain.waiting import as_it_is, wait_until

MakeWorkspace = Callable[..., Workspace]
# How long a process may take to see that its engine is gone, or an `up` to come to its program: a busy machine's time.
END_SECONDS = 180.0


@pytest.fixture(scope="session", autouse=True)
def ready() -> None:
    """Make the toolchain ready as a user makes it."""
    subprocess.run([sys.executable, "-m", "toolchain", "setup"], cwd=ROOT, check=True)


@pytest.fixture
def make_workspace(tmp_path: Path) -> MakeWorkspace:
    """Make a project of a program in a folder of this test."""

    def make(program: str = "", **more: object) -> Workspace:
        return Workspace.create(tmp_path / "project", program, **more)  # type: ignore[arg-type]

    return make


def children(pid: int) -> set[int]:
    """Return the processes that a process has started and that live."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def eventually(what: Callable[[], bool], seconds: float = END_SECONDS) -> bool:
    """Return whether something comes true in time."""
    return wait_until(what, seconds, as_it_is, pause=0.05)


def shown(answer: subprocess.CompletedProcess[str]) -> str:
    """Return all that a command printed."""
    return answer.stdout + answer.stderr
