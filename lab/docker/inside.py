"""Commands in a container, through one `docker exec` that stays.

Each `docker exec` takes seven hundredths of a second of a processor's time, more than most commands that a test runs
on a machine, and a run of all tests has thousands of them. So the first command of a container starts a small server
in it, lab/docker/served.py, and this process asks that from then on. What is without Python there has an exec of its
own for each command, and so has a command beside another.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.docker import cli
from lab.docker.cli import Result

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

# Its text is not among its arguments: what a test looks for among all processes must not be found there.
LOADER = "import json, sys; exec(json.loads(sys.stdin.buffer.readline()))"
SERVER = Path(__file__).with_name("served.py").read_text()
HELLO_SECONDS = 30
END_SECONDS = 1
NO_PYTHON = (126, 127)  # exit codes of `docker exec` for a program that can't be started
ENDED = 137  # what `docker exec` ends with when the container does


class _UnsentError(Exception):
    """The server had ended before it was asked."""


class _GoneError(Exception):
    """The server's end was reached before its answer."""


class _LateError(Exception):
    """No answer in time."""


class _Server:
    """One container's server: asked by one at a time."""

    def __init__(self, container: str) -> None:
        command = ["docker", "exec", "-i", container, "python3", "-B", "-E", "-S", "-c", LOADER]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.lock = threading.Lock()
        self._read = bytearray()

    def greet(self) -> None:
        """Send it its program, and wait until that runs."""
        self._send(SERVER)
        self.line(HELLO_SECONDS)

    def _send(self, what: Any) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise _UnsentError from error

    def line(self, seconds: float) -> Any:
        """Return what its next line holds."""
        assert self.process.stdout is not None
        descriptor, end = self.process.stdout.fileno(), time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._read:
                if not selector.select(max(end - time.monotonic(), 0)):
                    raise _LateError
                piece = os.read(descriptor, 1 << 20)
                if not piece:
                    raise _GoneError
                self._read += piece
        text, _, rest = bytes(self._read).partition(b"\n")
        self._read = bytearray(rest)
        return json.loads(text)

    def ask(self, words: Sequence[str], data: bytes, seconds: float) -> Result:
        self._send({"words": list(words), "stdin": base64.b64encode(data).decode()})
        said = self.line(seconds)
        texts = [base64.b64decode(said[key]).decode(errors="replace") for key in ("stdout", "stderr")]
        return Result(said["returncode"], *texts)

    def end(self) -> int:
        """Close its input, with which it ends by itself where no command hangs; how `docker exec` ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()
        return self.process.wait()


_servers: dict[str, _Server] = {}
_without: set[str] = set()
_guard = threading.Lock()


def _started(container: str) -> _Server | None:
    """Start a container's server; nothing where it does not come up, whatever the reason."""
    try:
        server = _Server(container)
    except OSError:
        return None
    try:
        server.greet()
    except (_UnsentError, _GoneError, _LateError, ValueError):
        if server.end() in NO_PYTHON:
            _without.add(container)
        return None
    return server


@contextlib.contextmanager
def _free_server(container: str) -> Generator[_Server | None]:
    """Lend the container's server, if it has one that nobody is asking."""
    server = None
    if container not in _without and _guard.acquire(blocking=False):
        try:
            server = _servers.get(container)
            if server is not None and server.process.poll() is not None:
                server.end()
                server = None
            if server is None and (server := _started(container)) is not None:
                _servers[container] = server
        finally:
            _guard.release()
    if server is None or not server.lock.acquire(blocking=False):
        yield None
        return
    try:
        yield server
    finally:
        server.lock.release()


def forget(container: str) -> None:
    """End a container's server: the next command starts one anew."""
    with _guard:
        server = _servers.pop(container, None)
    if server is not None:
        server.end()


def run(container: str, *words: str, stdin: str | bytes = "", timeout: float = 120, check: bool = True) -> Result:
    """Run a command in a container as root, as `docker exec -i` does; `timeout` in seconds. Errors: see cli.run."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    command = ("docker", "exec", "-i", container, *words)
    with _free_server(container) as server:
        if server is None:
            return cli.run(command, stdin=data, timeout=timeout, check=check)
        try:
            result = server.ask(words, data, timeout)
        except _UnsentError:
            return cli.run(command, stdin=data, timeout=timeout, check=check)
        except _LateError:
            server.end()
            raise cli.too_late(command, timeout) from None
        except _GoneError:
            server.end()
            result = Result(ENDED, "", f"{container} ended, or what ran in it was ended")
    return cli.checked(command, result) if check else result
