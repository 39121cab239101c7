"""The container beside the todo app's database, which sets the Secret's password: its script, on a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab.postgres_server import AS_POSTGRES, PostgresServer, postgres_server
from tests.lab.support import until
from tests.lab.systems.todo.chart_cases import DATABASE, DATABASE_POD, POD
from tests.lab.systems.todo.helm import render

SET = b"the database has the Secret's password\n"
ODD = 'it\'s \\ "an"/other p@ss:word $HOME `id`'


class Database:
    """A PostgreSQL as the public image makes it: its socket trusts, and who comes by TCP needs a password."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.secret = server.folder / "secret" / "POSTGRES_PASSWORD"
        self.secret.parent.mkdir()
        self.secret.write_text("first")
        if AS_POSTGRES:
            for each in (self.secret.parent, self.secret):
                shutil.chown(each, "postgres", "postgres")

    def lets_in(self, password: str) -> bool:
        """Return whether somebody who comes by TCP gets in."""
        return self._server.asked(password).returncode == 0

    def watch(self, grace: int = 0) -> subprocess.Popen[bytes]:
        """Return the chart's own script, with this database's places in it."""
        pod = render(DATABASE).at(DATABASE_POD, *POD)
        (container,) = (each for each in pod["containers"] if each["name"] == "password")
        script = container["args"][0].replace("/secret/", f"{self.secret.parent}/")
        script = script.replace("/var/run/postgresql", str(self._server.folder))
        path = f"{self._server.programs}:{os.environ['PATH']}"
        environment = {"PATH": path, "PGPORT": self._server.port, "POSTGRES_USER": "todo", "PASSWORD_GRACE": str(grace)}
        return subprocess.Popen([*container["command"], script], env=environment, stdout=subprocess.PIPE, **AS_POSTGRES)

    def log(self) -> str:
        return self._server.log()


@pytest.fixture
def database() -> Iterator[Database]:
    with postgres_server("todo", "first", "--auth-local=trust", "--auth-host=scram-sha-256") as server:
        yield Database(server)


def test_the_database_takes_each_password_that_the_secret_has_and_tells_none(database: Database) -> None:
    assert database.lets_in("first")
    assert not database.lets_in(ODD)
    # As after an installation beside data that was kept: the Secret is another one from the beginning.
    database.secret.write_text(ODD)
    watching = database.watch()
    try:
        until(lambda: database.lets_in(ODD), "the password is the Secret's")
        assert not database.lets_in("first")
        database.secret.write_text("third")
        until(lambda: database.lets_in("third"), "the password is the Secret's again")
        assert not database.lets_in(ODD)
    finally:
        watching.terminate()
    said, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert said == SET * 2
    for password in (ODD, "third"):
        assert password not in database.log()


def test_backends_that_know_the_old_password_get_time_to_learn_the_new_one(database: Database) -> None:
    # What the Secret has at the start is set at once: nobody is there yet who knows another.
    database.secret.write_text("second")
    at_once = database.watch(grace=1000)
    until(lambda: database.lets_in("second"), "the password is the Secret's")
    at_once.terminate()
    at_once.communicate(timeout=60)
    watching = database.watch(grace=10)
    try:
        # It waits when it sees another one than before: so it has to have set this one.
        assert watching.stdout is not None
        assert watching.stdout.readline() == SET
        database.secret.write_text("third")
        changed = time.monotonic()
        until(lambda: database.lets_in("third"), "the password is the Secret's again")
        assert time.monotonic() - changed >= 8
        # Taken back within the time: nothing happens.
        database.secret.write_text("fourth")
        time.sleep(4)
        database.secret.write_text("third")
        time.sleep(14)
        assert database.lets_in("third")
    finally:
        watching.terminate()
        watching.communicate(timeout=60)
