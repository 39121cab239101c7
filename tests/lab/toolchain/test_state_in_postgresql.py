"""A stack whose state is in PostgreSQL, a real one: `PULUMI_BACKEND_URL` is all that says so."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.lab.postgres_server import PostgresServer, postgres_server
from tests.lab.toolchain.trial import MakeWorkspace, make_workspace, ready, shown

__all__ = ["make_workspace", "ready"]

PASSWORD = "p@ss/w:rd%"
CANARY = "canary-77ab"
PROGRAM = """
import pulumi

config = pulumi.Config()
pulumi.export("size", config.get("size"))
pulumi.export("secret", config.require_secret("secret"))
"""


def place(server: PostgresServer) -> str:
    """Return the place of the state, as in PULUMI_BACKEND_URL."""
    return f"postgres://pulumi:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/postgres?sslmode=disable"


def held_by(server: PostgresServer) -> str:
    """Return all that is stored in it, as text."""
    answer = server.asked(
        PASSWORD, "select key, convert_from(decode(data->>'data', 'base64'), 'UTF8') from pulumi_state"
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server("pulumi", PASSWORD, "--auth=scram-sha-256") as made:
        yield made


def test_a_stack_comes_up_changes_and_goes_with_its_state_in_postgresql_alone(
    server: PostgresServer, make_workspace: MakeWorkspace
) -> None:
    work = make_workspace(PROGRAM, extra_environment={"PULUMI_BACKEND_URL": place(server)})
    work.configure("secret", CANARY, secret=True)
    work.configure("size", "one")
    work.up()
    work.configure("size", "two")
    assert work.make("up").returncode == 0
    assert work.outputs()["size"] == "two"
    held = held_by(server)
    assert '"size"' in held
    assert CANARY not in held
    assert not list((work.folder / ".state").rglob("stacks/**/*.json"))
    drift = work.make("drift")
    assert drift.returncode == 0, shown(drift)
    down = work.make("down")
    assert down.returncode == 0, shown(down)
    assert work.state().get("resources", []) == []
