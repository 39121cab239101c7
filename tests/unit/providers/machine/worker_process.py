"""A worker as a process of this machine, spoken to as the connection does, for the tests of the worker."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.machine.remote_worker import BOOT, READY, SOURCE, program
from toolchain.waiting import as_it_is, wait_until

PATIENCE = 20.0
"""Seconds after which a test gives up; nothing here takes that long."""


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class WorkerProcess:
    """A worker process, started by the line that sshd would start."""

    def __init__(self, source: bytes = SOURCE) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-I", "-c", BOOT]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self.process.stdin is not None
        self.process.stdin.write(program(source))
        self.process.stdin.flush()
        self.begun = False

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not self.begun:
            assert [self.process.stdout.readline() for _ in range(2)] == [b"\n", READY]
            self.begun = True
        size = int(self.process.stdout.readline())
        return json.loads(self.process.stdout.read(size))

    def call(self, op: str, /, **args: Any) -> dict[str, Any]:
        self.send(json.dumps({"op": op, "args": args}).encode())
        return self.answer()

    def run(self, *argv: str, **args: Any) -> dict[str, Any]:
        return self.call("run", argv=argv, **args)["result"]

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def altered(**constants: Any) -> bytes:
    """Return the worker's source with other constants."""
    lines = SOURCE.decode().splitlines(keepends=True)
    for name, value in constants.items():
        (number,) = (at for at, line in enumerate(lines) if line.startswith(f"{name} = "))
        lines[number] = f"{name} = {value!r}\n"
    return "".join(lines).encode()


@pytest.fixture
def start() -> Iterator[Callable[..., WorkerProcess]]:
    started: list[WorkerProcess] = []

    def make(**constants: Any) -> WorkerProcess:
        started.append(WorkerProcess(altered(**constants)))
        return started[-1]

    yield make
    for each in started:
        each.stop()


def eventually(holds: Callable[[], bool]) -> bool:
    return wait_until(holds, PATIENCE, as_it_is, pause=0.02)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def pids_with(text: str) -> list[int]:
    """Return processes whose argument list or environment holds a text."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                if text.encode() in (folder / name).read_bytes():
                    found.append(int(folder.name))
    return found
