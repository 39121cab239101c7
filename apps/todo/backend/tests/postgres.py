"""A PostgreSQL of the tests' own: a new cluster in a temporary folder, on a free port, ended by its own pid file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PASSWORD = "tests-p@ss/w:rd%"
"""With characters that mean something in a URL."""


def skip_or_fail(reason: str) -> None:
    """Skip the test, visibly; where CI=true, fail it: there nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a skip elsewhere, a failure where CI=true)", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL server's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A cluster with the superuser `tests`. PostgreSQL refuses to run as root: there it runs as `postgres`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self.folder = Path(tempfile.mkdtemp(prefix="todo-backend-postgres-"))
        self.port = free_port()
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        initdb = ["initdb", "-D", "data", "-U", "tests", "--pwfile=password", "--auth=scram-sha-256", "--no-sync"]
        self._run(*initdb, "--encoding=UTF8", "--locale=C.UTF-8")
        secret.unlink()

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self._programs / program), *arguments]
        # Not through pipes: the server that pg_ctl starts would hold them open.
        with (self.folder / f"{program}.log").open("a+") as log:
            done = subprocess.run(
                command, cwd=self.folder, stdout=log, stderr=log, text=True, timeout=60, check=False, **self._user
            )
            if check and done.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{program} ended with {done.returncode}: {log.read()[-2000:]}")
        return done

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "server.log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop", check=False)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://tests:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"
