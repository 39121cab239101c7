"""`todo-backend migrate`: on an empty database, by many at once, killed half-way, without a database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import asyncpg

from foundation_testing.postgres import PASSWORD, Cluster, free_port, new_cluster
from foundation_testing.waiting import wait_until_async
from tests.servers import ROOT, Process
from todo_backend import schema

Start = Callable[..., Process]
NO_SECRET = {"AUTH_SECRET": "-"}
"""Migrating needs the database alone."""


async def query(url: str, text: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(text)
    finally:
        await connection.close()


def events(one: Process) -> list[str]:
    return [str(line["event"]) for line in one.lines()]


async def test_many_at_once_on_an_empty_database_all_end_with_0_and_one_does_the_work(
    process: Start, empty_database: str
) -> None:
    several = [process({"DATABASE_URL": empty_database, **NO_SECRET}, "migrate") for _ in range(3)]
    assert [one.process.wait(90) for one in several] == [0] * 3
    runs = [event for one in several for event in events(one) if event.startswith("Running upgrade")]
    assert len(runs) == len(schema.known_revisions())
    tables = await query(empty_database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row["tablename"] for row in tables} == {"alembic_version", "users", "sessions", "todos", "attempts"}


def test_once_current_it_changes_nothing(process: Start, new_database: str) -> None:
    again = process({"DATABASE_URL": new_database, **NO_SECRET}, "migrate")
    assert again.process.wait(60) == 0
    assert not [event for event in events(again) if event.startswith("Running upgrade")]


async def test_killed_half_way_it_leaves_nothing_and_the_next_one_does_it_all(
    process: Start, empty_database: str
) -> None:
    # Somebody holds the lock: the one that is killed waits in the middle of its transaction.
    holder = await asyncpg.connect(empty_database)
    await holder.execute(f"SELECT pg_advisory_lock({schema.LOCK})")
    first = process({"DATABASE_URL": empty_database, **NO_SECRET}, "migrate")
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await wait_until_async(lambda: query(empty_database, waiting), 60, lambda: "nobody waits for the lock")
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert await query(empty_database, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    await holder.close()
    second = process({"DATABASE_URL": empty_database, **NO_SECRET}, "migrate")
    assert second.process.wait(60) == 0
    assert await query(empty_database, "SELECT count(*) FROM todos")


async def test_asked_to_stop_while_it_waits_for_its_turn_it_does(process: Start, empty_database: str) -> None:
    holder = await asyncpg.connect(empty_database)
    await holder.execute(f"SELECT pg_advisory_lock({schema.LOCK})")
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    started = process({"DATABASE_URL": empty_database, **NO_SECRET}, "migrate")
    await wait_until_async(lambda: query(empty_database, waiting), 60, lambda: "nobody waits for the lock")
    assert started.stop() == 1
    assert "migration_given_up" in events(started)
    await holder.close()


def test_without_its_database_it_waits_as_long_as_it_is_told_and_says_why(process: Start) -> None:
    port = free_port()
    url = f"postgresql://todo:canary-password@127.0.0.1:{port}/todo"
    started = process({"DATABASE_URL": url, "MIGRATE_WAIT": "2", **NO_SECRET}, "migrate")
    assert started.process.wait(60) == 1
    assert events(started).count("database_wait") >= 2
    failed = started.lines()[-1]
    assert failed["event"] == "migration_failed"
    assert f"127.0.0.1:{port}/todo did not answer within 2 s: connection refused" in failed["reason"]
    assert "canary" not in started.log.read_text()
    assert "Traceback" not in started.log.read_text()


def test_it_waits_for_a_database_that_comes_later(process: Start) -> None:
    cluster: Cluster = new_cluster()
    try:
        cluster.stop()
        started = process({"DATABASE_URL": cluster.url(), **NO_SECRET}, "migrate")
        while "database_wait" not in started.log.read_text():
            assert started.process.poll() is None
            time.sleep(0.05)
        cluster.start()
        assert started.process.wait(60) == 0
    finally:
        cluster.remove()


def test_a_wrong_password_is_told_apart_from_a_database_that_is_away(process: Start, cluster: Cluster) -> None:
    url = cluster.url().replace(cluster.url().split(":")[2].split("@")[0], "canary-wrong")
    started = process({"DATABASE_URL": url, "MIGRATE_WAIT": "0", **NO_SECRET}, "migrate")
    assert started.process.wait(60) == 1
    assert "user or password refused" in started.lines()[-1]["reason"]
    assert "canary" not in started.log.read_text()


async def test_an_older_version_leaves_newer_tables_as_they_are(process: Start, new_database: str) -> None:
    # After `helm rollback` the older image's migrations run against the newer tables.
    await query(new_database, "UPDATE alembic_version SET version_num = '9999'")
    started = process({"DATABASE_URL": new_database, **NO_SECRET}, "migrate")
    assert started.process.wait(60) == 0
    assert "database_is_newer" in events(started)
    assert (await query(new_database, "SELECT version_num FROM alembic_version"))[0][0] == "9999"


async def test_a_step_that_fails_leaves_everything_as_it_was(process: Start, empty_database: str) -> None:
    # Something of that name is there already: the third of the four tables can't be made.
    await query(empty_database, "CREATE TABLE todos (id int)")
    started = process({"DATABASE_URL": empty_database, **NO_SECRET}, "migrate")
    assert started.process.wait(60) == 1
    assert "nothing was changed" in started.lines()[-1]["reason"]
    tables = await query(empty_database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tablename"] for row in tables] == ["todos"]


def test_the_parameters_of_hosted_databases_are_understood(process: Start, new_database: str) -> None:
    started = process({"DATABASE_URL": f"{new_database}?sslmode=prefer&channel_binding=prefer", **NO_SECRET}, "migrate")
    assert started.process.wait(60) == 0


def test_the_tables_are_those_that_the_models_describe_and_can_be_taken_down(empty_database: str) -> None:
    environment = {**os.environ, "DATABASE_URL": empty_database}
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini"]
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head", "--sql"]):
        done = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert PASSWORD not in done.stdout.decode() + done.stderr.decode()
