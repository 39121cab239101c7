"""A PostgreSQL of a test's own, a real one, on a free port of loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.lab.support import free_port, skip_or_fail

AS_POSTGRES: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
"""Whom PostgreSQL's programs run as, which refuse root: arguments of subprocess."""


class PostgresServer:
    """A running server with one user, who has a password; its socket lies in its folder."""

    def __init__(self, programs: Path, folder: Path, user: str, password: str, authentication: Sequence[str]) -> None:
        self.programs, self.folder, self._user = programs, folder, user
        self.port = str(free_port())
        (folder / "initial").write_text(password)
        if AS_POSTGRES:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", "data", "-U", user, *authentication, "--pwfile=initial", "--no-sync")
        options = f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def _run(self, program: str, *arguments: str) -> None:
        # Not through pipes: the server would hold them open.
        with (self.folder / "output").open("a") as output:
            command = [str(self.programs / program), *arguments]
            subprocess.run(
                command, cwd=self.folder, check=True, timeout=240, stdout=output, stderr=output, **AS_POSTGRES
            )

    def asked(self, password: str, query: str = "") -> subprocess.CompletedProcess[str]:
        """Ask over TCP, as its user with that password; what psql says, rows without a head."""
        where = ["-h", "127.0.0.1", "-p", self.port, "-U", self._user, "-d", "postgres"]
        environment = {**os.environ, "PGPASSWORD": password}
        command = [str(self.programs / "psql"), *where, "-Atc", query]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


@contextlib.contextmanager
def postgres_server(user: str, password: str, *authentication: str) -> Iterator[PostgresServer]:
    """Make one, and end it with the `with`. Skips where PostgreSQL is not installed; fails there in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        skip_or_fail("PostgreSQL's server is not installed: apt install postgresql")
    # Not below pytest's own folder, into which nobody else may look: the server is another user's.
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = PostgresServer(found[-1].parent, folder, user, password, authentication)
        yield made
        made.stop()
