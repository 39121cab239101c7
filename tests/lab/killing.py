"""Killing an `up` in the middle: how it is killed, and what must be true afterwards; and a program to bring up."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from lab import Machine, Snapshot
from tests.lab.project import Project, went_well
from tests.lab.support import lasting_difference
from tests.lab.workspace import Workspace
from toolchain.waiting import as_it_is, wait_until

MOMENTS = 10  # of an `up`, at each of which it is killed once
SEED = int(os.environ.get("HEARTH_SEED", "0"))  # tests/conftest.py sets it; the bench, which kills nothing, does not
PATIENCE = 300.0
"""Seconds after which a process that was to end by itself counts as left behind. A command under way is finished first,
an installation among them, and a worker that lost its connection without a word waits for 45 s."""
PROGRAM = """
from providers.resources.host import Unit
folder = Directory("folder", host="box", path="/srv/killed", mode="0750")
inside = ResourceOptions(depends_on=[folder])
for n in range(6):
    File(f"file{n}", host="box", path=f"/srv/killed/file{n}", content=f"file {n}\\n" * 100, opts=inside)
old = File("old", host="box", path="/etc/was-there", content="new text\\n", mode="0600")
for n in range(2):
    Block(f"block{n}", host="box", path="/etc/shared", name=f"block{n}", content=f"block {n}")
user = User("user", host="box", name="killed")
script = Script("script", host="box", name="script", check="test -e /srv/killed/script",
                apply="sleep 1; echo half > /srv/killed/half; sleep 0.5; mv /srv/killed/half /srv/killed/script",
                undo="rm -f /srv/killed/half /srv/killed/script", opts=inside)
Unit("unit", host="box", name="killed.service", enabled=True, running=True,
     text="[Service]\\nUser=killed\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n",
     opts=ResourceOptions(depends_on=[user, script]))
"""
MADE = 13
"""Resources of the program."""


class Killable(Protocol):
    """A stack of one machine, brought up and taken down by what `make` runs."""

    workspace: Workspace

    @property
    def machine(self) -> Machine: ...

    def make(self, command: str, *arguments: str) -> list[str]:
        """Return the command line of what `make <command>` runs."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Return the environment of `make`."""
        ...


def start(project: Killable, command: str) -> subprocess.Popen[str]:
    """Start `make up` in a process group of its own; it turns into the engine, and keeps its number."""
    with log(project).open("w") as output:
        return subprocess.Popen(
            project.make(command),
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def log(project: Killable) -> Path:
    """Return what the last command that was started has printed."""
    return project.workspace.folder / "killed.log"


@contextlib.contextmanager
def running(project: Killable, command: str) -> Iterator[subprocess.Popen[str]]:
    """Run `make up` for as long as something is done to it; it ends in any case."""
    process = start(project, command)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def ours(project: Killable) -> dict[int, str]:
    """Return processes of this machine that work for the project: they all inherit where its state is."""
    mark = f"PULUMI_BACKEND_URL={project.workspace.environment['PULUMI_BACKEND_URL']}\0".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def workers(machine: Machine) -> list[str]:
    """Return Hearth's processes on a machine, by their command line."""
    return machine.run("ps axo pid=,args= | grep '[e]xec(compile(s, \"hearth\"' || true").stdout.splitlines()


def eventually(holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    return wait_until(holds, seconds, as_it_is, pause=0.1)


def nothing_is_left_running(project: Killable, seconds: float = PATIENCE) -> None:
    assert eventually(lambda: not ours(project), seconds), ours(project)
    assert eventually(lambda: not workers(project.machine), seconds), workers(project.machine)


def locks(project: Killable) -> list[Path]:
    return list((project.workspace.folder / ".state" / ".pulumi" / "locks").rglob("*.json"))


def kill(project: Killable, command: str, moment: float, *, group: bool) -> None:
    """Kill `make up` (or its whole process group) after `moment` seconds, and see that nothing of it goes on."""
    with running(project, command) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    nothing_is_left_running(project)


def end_group(process: subprocess.Popen[str]) -> None:
    """Kill a command with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def everything_is_there(project: Project) -> None:
    machine = project.machine
    assert len(project.resources()) == MADE
    assert machine.run("cat /srv/killed/file* | wc -l").stdout.strip() == "600"
    assert machine.read("/etc/was-there") == "new text\n"
    assert machine.read("/etc/shared").count("hearth") == 4
    assert machine.run("systemctl is-active killed.service").stdout.strip() == "active"
    assert not machine.exists("/srv/killed/half")


def destroyed_exactly(project: Project, before: Snapshot) -> None:
    went_well(project.run_make("down"))
    assert lasting_difference(before, project.machine) == []
    nothing_is_left_running(project)


def moments(duration: float) -> list[float]:
    """Return one moment in each tenth of the time that an `up` takes."""
    chance = random.Random(SEED)
    return [duration * (number + chance.random()) / MOMENTS for number in range(MOMENTS)]


def plugin_of(project: Killable) -> list[int]:
    return [pid for pid, line in ours(project).items() if "providers.plugin" in line]
