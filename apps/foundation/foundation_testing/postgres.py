"""A PostgreSQL of the tests' own: a new cluster in a temporary folder, on a free port, ended by its own pid file."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

PASSWORD = "tests-p@ss/w:rd%"
"""With characters that mean something in a URL."""
_numbers = itertools.count(1)


def skip_or_fail(reason: str) -> None:
    """Skip the test, visibly; where CI=true, fail it: there nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a skip elsewhere, a failure where CI=true)", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port of loopback that nothing listens on, and that no outgoing connection gets meanwhile.

    Those have ports from 32768 on (Linux, ip_local_port_range).
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def unprivileged() -> dict[str, Any]:
    """Return how a program starts that refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Cluster:
    """A cluster with the superuser `tests`. PostgreSQL refuses to run as root: there it runs as `postgres`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="hearth-apps-postgres-"))
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
                command, cwd=self.folder, stdout=log, stderr=log, text=True, timeout=240, check=False, **self._user
            )
            if check and done.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{program} ended with {done.returncode}: {log.read()[-2000:]}")
        return done

    def start(self, *further: str) -> None:
        """Start it; `further`: settings of the server, as `name=value`."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        options += "".join(f" -c {each}" for each in further)
        self._run("pg_ctl", "-D", "data", "-w", "-l", "server.log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop", check=False)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, text: str) -> Path:
        """Return a file beside the data, which the server alone may read."""
        file = self.folder / name
        file.touch(0o600)
        if self._user:
            shutil.chown(file, "postgres", "postgres")
        file.write_text(text)
        return file

    def only_by_tls(self) -> None:
        """Refuse who comes without TLS, from its next start on."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("hostssl all all all scram-sha-256\n")

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """Return what the application needs to know to use it."""
        return {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self.port),
            "POSTGRES_USER": "tests",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": database,
        }

    async def connect(self, database: str = "postgres") -> asyncpg.Connection[Any]:
        """Return a connection of the superuser's; whoever asks for it closes it."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="tests", password=PASSWORD, database=database
        )

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://tests:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"


def new_cluster() -> Cluster:
    """Return a running cluster; a skip (a failure where CI=true) where there is no server to run."""
    programs = binaries()
    if programs is None:
        skip_or_fail("PostgreSQL's server is not installed: apt install postgresql")
    assert programs is not None
    made = Cluster(programs)
    try:
        made.start()
    except BaseException:
        made.remove()
        raise
    return made


@asynccontextmanager
async def temporary_database(cluster: Cluster, template: str = "template1") -> AsyncIterator[str]:
    """Yield a database of its own, copied from `template` and dropped afterwards; its name."""
    name = f"test_{next(_numbers)}"
    admin = await cluster.connect()
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
