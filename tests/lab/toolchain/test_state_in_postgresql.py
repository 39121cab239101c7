"""A stack whose state is in PostgreSQL, a real one: `PULUMI_BACKEND_URL` is all that says so."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lab.support import skip_or_fail
from tests.lab.toolchain.trial import MakeWorkspace, make_workspace, ready, shown

__all__ = ["make_workspace", "ready"]

AS_POSTGRES = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
PASSWORD = "p@ss/w:rd%"
CANARY = "canary-77ab"
PROGRAM = """
import pulumi

config = pulumi.Config()
pulumi.export("size", config.get("size"))
pulumi.export("secret", config.require_secret("secret"))
"""


class Server:
    """A PostgreSQL of this test's own, on a free port of loopback, with the user `pulumi`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        (folder / "password").write_text(PASSWORD)
        if AS_POSTGRES:
            shutil.chown(folder, "postgres", "postgres")
        self.run("initdb", "-D", "data", "-U", "pulumi", "--auth=scram-sha-256", "--pwfile=password", "--no-sync")
        options = f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1"
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, as a user that it runs as."""
        # Not through pipes: the server would hold them open.
        with (self._folder / "output").open("a") as output:
            command = [str(self._programs / program), *arguments]
            subprocess.run(
                command, cwd=self._folder, check=True, timeout=60, stdout=output, stderr=output, **AS_POSTGRES
            )

    @property
    def url(self) -> str:
        """The place of the state, as in PULUMI_BACKEND_URL."""
        return f"postgres://pulumi:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def holds(self) -> str:
        """Return all that is stored in it, as text."""
        query = "select key, convert_from(decode(data->>'data', 'base64'), 'UTF8') from pulumi_state"
        command = [str(self._programs / "psql"), "-h", "127.0.0.1", "-p", self.port, "-U", "pulumi", "postgres", "-Atc"]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run([*command, query], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def server() -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        skip_or_fail("PostgreSQL's server is not installed: apt install postgresql")
    # Not below pytest's own folder, into which nobody else may look: the server is another user's.
    with tempfile.TemporaryDirectory(prefix="state-") as name:
        made = Server(found[-1].parent, Path(name))
        yield made
        made.run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


def test_a_stack_comes_up_changes_and_goes_with_its_state_in_postgresql_alone(
    server: Server, make_workspace: MakeWorkspace
) -> None:
    work = make_workspace(PROGRAM, extra_environment={"PULUMI_BACKEND_URL": server.url})
    work.configure("secret", CANARY, secret=True)
    work.configure("size", "one")
    work.up()
    work.configure("size", "two")
    assert work.make("up").returncode == 0
    assert work.outputs()["size"] == "two"
    held = server.holds()
    assert '"size"' in held
    assert CANARY not in held
    assert not list((work.folder / ".state").rglob("stacks/**/*.json"))
    drift = work.make("drift")
    assert drift.returncode == 0, shown(drift)
    down = work.make("down")
    assert down.returncode == 0, shown(down)
    assert work.state().get("resources", []) == []
