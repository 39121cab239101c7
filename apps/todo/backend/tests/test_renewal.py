"""A password of the database that changes while the application runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from foundation import logs
from foundation.logs import get_logger
from foundation_testing.postgres import Cluster, temporary_database
from tests.conftest import Visitor, serving, settings
from todo_backend.about import SERVICE
from todo_backend.database_address import read
from todo_backend.renewal import Passwords

OLD, NEW = "canary-old-password", "canary/new p@ss:word"


@dataclass
class Role:
    """A database's user, and the file that says what its password is to be."""

    cluster: Cluster
    database: str
    file: Path

    def url(self, password: str, database: str = "") -> str:
        address = f"127.0.0.1:{self.cluster.port}/{database or self.database}"
        return f"postgresql://renewed:{quote(password, safe='')}@{address}"

    def write(self, password: str) -> None:
        self.file.write_text(self.url(password))

    async def alter(self, password: str) -> None:
        admin = await self.cluster.connect()
        await admin.execute(f"ALTER ROLE renewed PASSWORD '{password}'")
        await admin.close()


@pytest.fixture
async def role(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Role]:
    async with temporary_database(cluster, "migrated") as database:
        admin = await cluster.connect(database)
        await admin.execute(f"CREATE ROLE renewed LOGIN PASSWORD '{OLD}'")
        await admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO renewed")
        made = Role(cluster, database, tmp_path / "DATABASE_URL")
        made.write(OLD)
        yield made
        await admin.execute("DROP OWNED BY renewed")
        await admin.execute("DROP ROLE renewed")
        await admin.close()


@pytest.fixture
async def visitor(role: Role) -> AsyncIterator[Visitor]:
    async with serving(settings(database_url=role.url(OLD), database_url_file=role.file)) as application:
        yield await application.visitor().register()


async def status(visitor: Visitor) -> tuple[int, int]:
    """Return what a todo and the readiness get from connections that are all new."""
    for engine in (visitor.app.state.engine, visitor.app.state.health._engine):
        await engine.dispose()
    visitor.app.state.health._asked = float("-inf")
    return (await visitor.post("/todos", json={"title": "a"})).status_code, (await visitor.get("/health")).status_code


async def test_no_request_fails_whichever_of_the_two_changes_first(visitor: Visitor, role: Role) -> None:
    assert await status(visitor) == (201, 200)
    # The Secret is renewed, and the database does not have the new password yet.
    role.write(NEW)
    assert await status(visitor) == (201, 200)
    await role.alter(NEW)
    assert await status(visitor) == (201, 200)
    # And back again: neither the first nor the last one is special.
    role.write(OLD)
    assert await status(visitor) == (201, 200)
    await role.alter(OLD)
    assert await status(visitor) == (201, 200)


async def test_a_database_that_was_changed_first_is_found_again_once_the_file_is_renewed(
    visitor: Visitor, role: Role
) -> None:
    await role.alter(NEW)
    # Who is connected stays so.
    assert (await visitor.post("/todos", json={"title": "a"})).status_code == 201
    assert await status(visitor) == (503, 503)
    role.write(NEW)
    assert await status(visitor) == (201, 200)


async def test_another_failure_is_no_reason_to_try_other_passwords(visitor: Visitor, role: Role) -> None:
    role.write(NEW)
    admin = await role.cluster.connect()
    await admin.execute(f"ALTER DATABASE {role.database} ALLOW_CONNECTIONS false")
    assert await status(visitor) == (503, 503)
    await admin.execute(f"ALTER DATABASE {role.database} ALLOW_CONNECTIONS true")
    await admin.close()
    assert await status(visitor) == (201, 200)


async def test_a_file_that_is_gone_or_of_another_database_changes_nothing(visitor: Visitor, role: Role) -> None:
    for text in (role.url(NEW, "postgres"), "no address", ""):
        role.file.write_text(text)
        assert await status(visitor) == (201, 200)
    role.file.unlink()
    assert await status(visitor) == (201, 200)


def test_each_password_is_tried_once_and_what_was_right_last_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "DATABASE_URL"
    learned: list[str] = []
    passwords = Passwords(read("postgresql://a:first@h/d"), file, learned.append)
    assert passwords.to_try() == ["first"]
    file.write_text("postgresql://a:second@h/d\n")
    assert passwords.to_try() == ["first", "second"]
    passwords.was_right("second")
    assert passwords.to_try() == ["second", "first"]
    file.write_text("postgres://a:third@h/d")
    assert passwords.to_try() == ["second", "third", "first"]
    assert learned == ["second", "third"]
    assert passwords.url().password == "second"
    assert Passwords(read("postgresql://a:first@h/d")).to_try() == ["first"]


async def test_a_new_password_is_in_no_log(role: Role, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = settings(database_url=role.url(OLD), database_url_file=role.file)
    logs.configure(SERVICE, "INFO", chosen.secrets())
    async with serving(chosen) as application:
        visitor = await application.visitor().register()
        role.write(NEW)
        await role.alter(NEW)
        assert await status(visitor) == (201, 200)
        get_logger().info("told", text=f"it is {NEW}", address=role.url(NEW))
    said = capsys.readouterr().out
    assert "it is" in said
    assert NEW not in said
    assert quote(NEW, safe="") not in said
    assert [json.loads(line)["event"] for line in said.splitlines() if "told" in line] == ["told"]
