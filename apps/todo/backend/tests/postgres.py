"""A PostgreSQL of the tests' own: a new cluster in a temporary folder, on a free port, ended by its own pid file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
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


def unprivileged() -> dict[str, Any]:
    """How a program starts that refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Cluster:
    """A cluster with the superuser `tests`. PostgreSQL refuses to run as root: there it runs as `postgres`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = unprivileged()
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
        """A file beside the data, which the server alone may read."""
        file = self.folder / name
        file.touch(0o600)
        if self._user:
            shutil.chown(file, "postgres", "postgres")
        file.write_text(text)
        return file

    def only_by_tls(self) -> None:
        """From its next start on: who comes without TLS is refused."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("hostssl all all all scram-sha-256\n")

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://tests:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"


class Pooler:
    """PgBouncer before a cluster, in its mode `transaction`, for who comes by TLS."""

    def __init__(self, cluster: Cluster, certificate: str, key: str) -> None:
        self._cluster, self.port = cluster, free_port()
        quoted = PASSWORD.replace('"', '""')
        users = cluster.write("pooler-users.txt", f'"tests" "{quoted}"\n')
        files = cluster.write("pooler.crt", certificate), cluster.write("pooler.key", key)
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "transaction",
            # Fewer than visitors: statements of one do meet another's connection.
            "default_pool_size": 2,
            "client_tls_sslmode": "require",
            "client_tls_cert_file": files[0],
            "client_tls_key_file": files[1],
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n"
        self._settings = cluster.write("pooler.ini", databases + "[pgbouncer]\n" + "\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """PgBouncer; Debian keeps it where only root's PATH looks."""
        return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

    def start(self) -> None:
        command = [str(self.program()), str(self._settings)]
        with (self._cluster.folder / "pooler.log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **unprivileged())
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._cluster.folder / "pooler.log").read_text()) from None
                time.sleep(0.05)

    def remove(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
