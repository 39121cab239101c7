"""What the lab's services wait by, until they accept connections: it ends, and says what did not come."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from lab.docker import recipes
from tests.lab.support import free_port

PROGRAM = recipes.recipe("machine-matrix").folder / "files/usr/local/lib/hearth-lab/wait-for-port"


def begun(port: int, seconds: float, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port), str(seconds)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_it_ends_when_something_listens() -> None:
    port = free_port()
    waiting = begun(port, 60)
    with socket.create_server(("127.0.0.1", port)):
        assert waiting.wait(30) == 0


def test_where_nothing_comes_it_ends_and_says_what_did_not() -> None:
    port = free_port()
    waiting = begun(port, 0.3)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert f"nothing accepted a connection on 127.0.0.1:{port} within 0.3 s" in said
    assert "refused" in said


def test_where_the_service_has_ended_nobody_waits() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    waiting = begun(free_port(), 600, MAINPID=str(ended.pid))
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert f"the service (process {ended.pid}) has ended" in said
