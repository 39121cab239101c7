"""The addresses for probes, inside this process. With a database that goes and comes: test_process.py."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from foundation_testing.postgres import free_port
from foundation_testing.waiting import wait_until_async
from tests.conftest import Application, Visitor, serving, settings
from todo_backend import schema
from todo_backend.health import Health


async def test_while_all_is_well_both_probes_are_content(application: Application) -> None:
    ready = await application.visitor().get("/health")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {"database": "ok"},
        "version": "0.1.0",
        "environment": "tests",
    }
    live = await application.visitor().get("/health/live")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


async def test_without_a_database_one_is_alive_but_not_ready() -> None:
    nowhere = f"postgresql://user:canary-password@127.0.0.1:{free_port()}/todo"
    async with serving(settings(database_url=nowhere)) as application:
        visitor = application.visitor()
        ready = await visitor.get("/health")
        assert (ready.status_code, ready.json()["status"]) == (503, "degraded")
        assert ready.json()["checks"] == {"database": "unreachable"}
        assert (await visitor.get("/health/live")).status_code == 200
        answer = await visitor.post("/auth/sign-in", json={"email": "a@example.test", "password": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "canary" not in ready.text + answer.text


async def test_before_the_tables_are_there_one_is_not_ready(empty_database: str) -> None:
    async with serving(settings(database_url=empty_database)) as application:
        visitor = application.visitor()
        ready = await visitor.get("/health")
        assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "unmigrated"})
        answer = await visitor.post("/auth/sign-in", json={"email": "a@example.test", "password": "x"})
        assert answer.status_code == 503


async def test_a_database_that_is_found_empty_is_migrated_from_here(empty_database: str) -> None:
    async with serving(settings(database_url=empty_database, migrate_when_empty=True)) as application:
        visitor = application.visitor()
        assert (await visitor.get("/health")).json()["checks"] == {"database": "unmigrated"}
        await _becomes_ready(visitor)
        # Gone once more while it runs, as a database's pod without a volume.
        connection = await asyncpg.connect(empty_database)
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await connection.close()
        await asyncio.sleep(1.1)  # an answer counts for a second
        assert (await visitor.get("/health")).json()["checks"] == {"database": "unmigrated"}
        await _becomes_ready(visitor)
        await visitor.register()


async def _becomes_ready(visitor: Visitor) -> None:
    async def ready() -> bool:
        return (await visitor.get("/health")).status_code == 200

    await wait_until_async(ready, 60, lambda: "it does not become ready", pause=0.2)


async def test_a_database_with_somebody_elses_tables_is_left_alone(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE restored_so_far (id int)")
    async with serving(settings(database_url=empty_database, migrate_when_empty=True)) as application:
        visitor = application.visitor()
        for _ in range(3):
            assert (await visitor.get("/health")).json()["checks"] == {"database": "unmigrated"}
            await asyncio.sleep(1.1)
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert [row["tablename"] for row in tables] == ["restored_so_far"]


async def test_one_that_ends_while_it_migrates_leaves_nothing_running(empty_database: str) -> None:
    holder = await asyncpg.connect(empty_database)
    await holder.execute(f"SELECT pg_advisory_lock({schema.LOCK})")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with serving(settings(database_url=empty_database, migrate_when_empty=True)) as application:
        await application.visitor().get("/health")

        async def waits() -> bool:
            return await holder.fetchval(waiting) == 1

        await wait_until_async(waits, 60, lambda: "nobody waits for the lock")
    assert await holder.fetchval(waiting) == 0
    assert await holder.fetchval("SELECT to_regclass('todos') IS NULL")
    await holder.close()


async def test_liveness_never_asks_the_database(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(_: object) -> str:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(Health, "database", asked)
    assert (await application.visitor().get("/health/live")).status_code == 200


async def test_many_probes_at_once_ask_the_database_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, asked = Health._ask, 0

    async def counted(self: Health) -> tuple[str, str]:
        nonlocal asked
        asked += 1
        return await really(self)

    monkeypatch.setattr(Health, "_ask", counted)
    monkeypatch.setattr("todo_backend.health.FRESH_SECONDS", 60)
    health = Health(application.app.state.settings.database)
    assert set(await asyncio.gather(*(health.database() for _ in range(50)))) == {"ok"}
    assert asked == 1
    await health.close()


async def test_a_busy_pool_does_not_make_one_unready(application: Application) -> None:
    engine = application.app.state.engine
    held = [await engine.connect() for _ in range(10)]
    try:
        assert (await application.visitor().get("/health")).status_code == 200
    finally:
        for connection in held:
            await connection.close()
