"""The container beside the todo app's database, which sets the Secret's password: its script, on a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.support import skip_or_fail, until
from tests.lab.systems.todo.chart_cases import DATABASE, DATABASE_POD, POD
from tests.lab.systems.todo.helm import render

USER = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
ODD = 'it\'s \\ "an"/other p@ss:word $HOME `id`'


class Database:
    """A PostgreSQL as the public image makes it: its socket trusts, and who comes by TCP needs a password."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._folder, self._programs = folder, programs
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.secret = folder / "secret" / "POSTGRES_PASSWORD"
        self.secret.parent.mkdir()
        self.secret.write_text("first")
        if USER:
            for each in (folder, self.secret.parent, self.secret):
                shutil.chown(each, "postgres", "postgres")
        (folder / "initial").write_text("first")
        auth = ("--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=initial", "--no-sync")
        self._run("initdb", "-D", "data", "-U", "todo", *auth)
        self._run(
            "pg_ctl", "-D", "data", "-w", "-l", "log", "-o", f"-c port={self._port} -k {folder} -h 127.0.0.1", "start"
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        with (self._folder / "output").open("a") as output:
            subprocess.run(command, cwd=self._folder, check=True, timeout=60, stdout=output, stderr=output, **USER)

    def lets_in(self, password: str) -> bool:
        """Return whether somebody who comes by TCP gets in."""
        environment = {**os.environ, "PGPASSWORD": password}
        command = [
            self._programs / "psql",
            "-h",
            "127.0.0.1",
            "-p",
            self._port,
            "-U",
            "todo",
            "-d",
            "postgres",
            "-c",
            "",
        ]
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode == 0

    def watch(self, grace: int = 0) -> subprocess.Popen[bytes]:
        """Return the chart's own script, with this database's places in it."""
        pod = render(DATABASE).at(DATABASE_POD, *POD)
        (container,) = (each for each in pod["containers"] if each["name"] == "password")
        script = container["args"][0].replace("/secret/", f"{self.secret.parent}/")
        script = script.replace("/var/run/postgresql", str(self._folder))
        path = f"{self._programs}:{os.environ['PATH']}"
        environment = {"PATH": path, "PGPORT": self._port, "POSTGRES_USER": "todo", "PASSWORD_GRACE": str(grace)}
        return subprocess.Popen([*container["command"], script], env=environment, stdout=subprocess.PIPE, **USER)

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


@pytest.fixture
def database() -> Iterator[Database]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        skip_or_fail("PostgreSQL's server is not installed: apt install postgresql")
    # Not below pytest's own folder, into which nobody else may look: the server is another user's.
    with tempfile.TemporaryDirectory(prefix="database-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Database(found[-1].parent, folder)
        yield made
        made.stop()


def test_the_database_takes_each_password_that_the_secret_has_and_tells_none(database: Database) -> None:
    assert database.lets_in("first")
    assert not database.lets_in(ODD)
    # As after an installation beside data that was kept: the Secret is another one from the beginning.
    database.secret.write_text(ODD)
    watching = database.watch()
    try:
        until(lambda: database.lets_in(ODD), "the password is the Secret's", 30)
        assert not database.lets_in("first")
        database.secret.write_text("third")
        until(lambda: database.lets_in("third"), "the password is the Secret's again", 30)
        assert not database.lets_in(ODD)
    finally:
        watching.terminate()
    said, _ = watching.communicate(timeout=10)
    assert watching.returncode == 0
    assert said.decode().splitlines() == ["the database has the Secret's password"] * 2
    for password in (ODD, "third"):
        assert password not in database.log()


def test_backends_that_know_the_old_password_get_time_to_learn_the_new_one(database: Database) -> None:
    # What the Secret has at the start is set at once: nobody is there yet who knows another.
    database.secret.write_text("second")
    watching = database.watch(grace=10)
    try:
        until(lambda: database.lets_in("second"), "the password is the Secret's", 8)
        database.secret.write_text("third")
        changed = time.monotonic()
        until(lambda: database.lets_in("third"), "the password is the Secret's again", 40)
        assert time.monotonic() - changed >= 8
        # Taken back within the time: nothing happens.
        database.secret.write_text("fourth")
        time.sleep(4)
        database.secret.write_text("third")
        time.sleep(14)
        assert database.lets_in("third")
    finally:
        watching.terminate()
        watching.communicate(timeout=10)
