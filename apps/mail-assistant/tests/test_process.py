"""The application as a process: how it starts, what it says when it can't, how it ends, and what outlives it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import asyncpg
import pytest

from foundation_testing.postgres import PASSWORD, Cluster, free_port, new_cluster
from foundation_testing.waiting import wait_until
from tests.servers import PYTHONPATH, ROOT, SECRET_KEY, Answers, Process

Start = Callable[..., Process]


def save(url: str, **values: str) -> None:
    """Save settings as a browser does."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = opener.open(f"{url}/config", timeout=30).read().decode()
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page)
    assert token
    body = urllib.parse.urlencode({"csrf_token": token[1], **values}).encode()
    opener.open(f"{url}/config", body, timeout=30).read()


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Yield a PostgreSQL that the test may stop."""
    made = new_cluster()
    yield made
    made.remove()


@pytest.mark.parametrize("value", ["-", ""])
def test_without_a_secret_key_it_ends_with_one_line_that_names_it(process: Start, value: str) -> None:
    started = process({"POSTGRES_PASSWORD": "x", "SECRET_KEY": value})
    assert started.process.wait(60) == 1
    (line,) = started.lines()
    assert line["event"] == "settings_invalid"
    assert line["problems"][0].startswith("SECRET_KEY is missing")


def test_without_its_database_it_logs_each_attempt_and_ends_with_1(process: Start) -> None:
    port = str(free_port())
    environment = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": port, "POSTGRES_PASSWORD": "canary-password"}
    started = process({**environment, "DB_CONNECT_ATTEMPTS": "3", "DB_CONNECT_DELAY_SECONDS": "0"})
    assert started.stop(signal.SIGCONT) == 1
    lines = started.lines()
    retries = [line for line in lines if line["event"] == "db_connect_retry"]
    assert [(line["attempt"], line["level"]) for line in retries] == [(1, "warning"), (2, "warning")]
    assert all("delay_seconds" in line for line in retries)
    (failed,) = [line for line in lines if line["event"] == "db_connect_failed"]
    assert (failed["level"], failed["reason"]) == ("error", "connection refused")
    assert f"127.0.0.1:{port}" in failed["database"]
    assert "Traceback" not in started.log.read_text()
    assert "canary-password" not in started.log.read_text()


def test_a_wrong_password_is_told_apart_from_a_database_that_is_away(process: Start, cluster: Cluster) -> None:
    environment = {**cluster.environment(), "POSTGRES_PASSWORD": "canary-wrong", "DB_CONNECT_ATTEMPTS": "1"}
    started = process(environment)
    assert started.process.wait(60) == 1
    (failed,) = [line for line in started.lines() if line["event"] == "db_connect_failed"]
    assert failed["reason"] == "user or password refused"
    assert "canary-wrong" not in started.log.read_text()


def test_it_waits_for_a_database_that_comes_later(process: Start, own_cluster: Cluster) -> None:
    own_cluster.stop()
    started = process({**own_cluster.environment(), "DB_CONNECT_ATTEMPTS": "60", "DB_CONNECT_DELAY_SECONDS": "1"})
    while "db_connect_retry" not in started.log.read_text():
        assert started.process.poll() is None
        time.sleep(0.05)
    own_cluster.start()
    assert started.wait_until_up().health()["checks"]["db"] == "ok"


def test_asked_to_stop_while_it_waits_for_its_database_it_does_so_at_once(process: Start) -> None:
    environment = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(free_port()), "POSTGRES_PASSWORD": "x"}
    started = process({**environment, "DB_CONNECT_ATTEMPTS": "1000", "DB_CONNECT_DELAY_SECONDS": "60"})
    while "db_connect_retry" not in started.log.read_text():
        assert started.process.poll() is None
        time.sleep(0.05)
    assert started.stop(seconds=50) == 0  # and not after the minute that it waits between two attempts


def test_its_start_is_told_with_version_endpoint_and_event_date(
    process: Start, cluster: Cluster, database: str, ollama: Answers
) -> None:
    environment = {**cluster.environment(database), "OLLAMA_BASE_URL": ollama.url}
    first = process(environment).wait_until_up()
    save(first.url, event_date="2026-12-24", llm_endpoint=ollama.url + "/elsewhere")
    assert first.stop() == 0
    second = process(environment).wait_until_up()
    (line,) = [line for line in second.lines() if line["event"] == "started"]
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", line["version"])
    assert line["llm_endpoint"] == ollama.url + "/elsewhere"
    assert line["event_date"] == "2026-12-24"


async def test_five_that_start_at_once_on_an_empty_database_do_not_fight(
    process: Start, cluster: Cluster, database: str
) -> None:
    several = [process(cluster.environment(database)) for _ in range(5)]
    for one in several:
        one.wait_until_up()
    runs = [line for one in several for line in one.lines() if str(line["event"]).startswith("Running upgrade")]
    assert len(runs) == 1
    connection = await asyncpg.connect(
        host="127.0.0.1", port=cluster.port, user="tests", password=PASSWORD, database=database
    )
    columns = await connection.fetch(
        "SELECT column_name, data_type, is_nullable, character_maximum_length FROM information_schema.columns "
        "WHERE table_name = 'settings' ORDER BY ordinal_position"
    )
    await connection.close()
    assert [tuple(column) for column in columns] == [
        ("id", "integer", "NO", None),
        ("key", "character varying", "NO", 255),
        ("value", "text", "NO", None),
        ("updated_at", "timestamp with time zone", "NO", None),
    ]


def test_its_migrations_can_be_run_by_hand(cluster: Cluster, database: str) -> None:
    environment = {**os.environ, **cluster.environment(database), "SECRET_KEY": SECRET_KEY}
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini"]
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
        done = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_the_database_may_go_and_come_back_without_a_restart(process: Start, own_cluster: Cluster) -> None:
    started = process(own_cluster.environment()).wait_until_up()
    save(started.url, event_name="Kept")
    own_cluster.stop()
    wait_until(lambda: started.health()["checks"]["db"] != "ok", 60, lambda: "it says that the database is well")
    assert started.health()["status"] == "degraded"
    assert status_of(f"{started.url}/health/ready") == 503
    assert status_of(f"{started.url}/") == 200
    assert status_of(f"{started.url}/config") == 503
    with urllib.request.urlopen(f"{started.url}/", timeout=30) as page:
        assert "Settings unavailable — database unreachable" in page.read().decode()
    own_cluster.start()
    wait_until(lambda: started.health()["checks"]["db"] == "ok", 60, lambda: "it did not find the database again")
    assert status_of(f"{started.url}/health/ready") == 200
    with urllib.request.urlopen(f"{started.url}/config", timeout=30) as page:
        assert 'value="Kept"' in page.read().decode()
    assert "Traceback" not in "".join(str(line["event"]) for line in started.lines())


def test_saving_while_the_database_is_away_keeps_what_was_typed(process: Start, own_cluster: Cluster) -> None:
    started = process(own_cluster.environment()).wait_until_up()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = opener.open(f"{started.url}/config", timeout=30).read().decode()
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page)
    assert token
    own_cluster.stop()
    body = urllib.parse.urlencode({"csrf_token": token[1], "event_name": "Typed just now"}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(f"{started.url}/config", body, timeout=20)
    text = caught.value.read().decode()
    assert caught.value.code == 503
    assert "nothing was saved" in text
    assert 'value="Typed just now"' in text


def test_what_was_saved_before_a_kill_is_there_after_it(process: Start, cluster: Cluster, database: str) -> None:
    first = process(cluster.environment(database)).wait_until_up()
    save(first.url, event_name="Before the kill")
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    second = process(cluster.environment(database)).wait_until_up()
    with urllib.request.urlopen(f"{second.url}/config", timeout=30) as page:
        assert 'value="Before the kill"' in page.read().decode()


def test_asked_to_stop_it_ends_what_it_has_begun_and_then_itself_with_0(
    process: Start, cluster: Cluster, database: str, ollama: Answers
) -> None:
    started = process({**cluster.environment(database), "OLLAMA_BASE_URL": ollama.url}).wait_until_up()
    ollama.delay = 1
    time.sleep(1.1)  # older than what /health may answer from memory
    answers: list[dict[str, object]] = []
    asking = threading.Thread(target=lambda: answers.append(started.health()))
    before = len(ollama.asked)
    asking.start()
    while len(ollama.asked) == before:
        time.sleep(0.02)
    assert started.stop() == 0
    asking.join(10)
    assert [answer["status"] for answer in answers] == ["ok"]
    assert "stopping" in [line["event"] for line in started.lines()]


def test_no_secret_reaches_the_log_whatever_happens(
    process: Start, cluster: Cluster, database: str, ollama: Answers
) -> None:
    canaries = {
        "GMAIL_CLIENT_ID": "an-id",
        "GMAIL_CLIENT_SECRET": "canary-client-secret",
        "GMAIL_REFRESH_TOKEN": "canary-refresh-token",
    }
    ollama.status = 400
    started = process(
        {**cluster.environment(database), **canaries, "OLLAMA_BASE_URL": ollama.url, "GMAIL_TOKEN_URL": ollama.url}
        | {"LOG_LEVEL": "DEBUG"}
    ).wait_until_up()
    save(started.url, event_name="A name")
    assert status_of(f"{started.url}/config?token=canary-in-a-query") == 200
    assert status_of(f"{started.url}/none?password=canary-in-a-query") == 404
    with pytest.raises(urllib.error.HTTPError):
        save(started.url, llm_endpoint="http://me:canary-in-a-form@ollama")
    assert started.stop() == 0
    log = started.log.read_text()
    assert "canary" not in log
    assert SECRET_KEY not in log
    assert PASSWORD not in log
    checks = [line for line in started.lines() if line["event"] == "health_check"]
    assert {line["service"] for line in checks} == {"db", "llm", "mail"}
    (saved_line,) = [line for line in started.lines() if line["event"] == "config_saved"]
    assert saved_line["changed"] == ["event_name"]
    for line in started.lines():
        assert {"timestamp", "level", "service", "event"} <= line.keys()


def test_the_containers_health_check_reads_the_answer_not_the_status(process: Start, own_cluster: Cluster) -> None:
    started = process(own_cluster.environment()).wait_until_up()

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mail_assistant.healthcheck"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "PORT": str(started.port)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (check().returncode, "db=ok" in check().stdout) == (0, True)
    own_cluster.stop()
    # Older than what /health may answer from memory, and seen by the pool.
    wait_until(lambda: started.health()["checks"]["db"] != "ok", 60, lambda: "it says that the database is well")
    assert status_of(f"{started.url}/health") == 200
    assert (check().returncode, "db=unreachable" in check().stdout) == (1, True)
    started.stop()
    assert (check().returncode, "no answer" in check().stdout) == (1, True)


def test_the_health_check_does_not_take_something_else_for_the_application() -> None:
    for body in ("", "[]", "{}", '{"checks": []}', '{"checks": {"llm": "ok"}}'):
        other = Answers(body)
        port = other.url.rpartition(":")[2]
        command = [sys.executable, "-m", "mail_assistant.healthcheck"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "PORT": port}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        other.close()
        assert (done.returncode, done.stderr) == (1, "")


def test_a_file_of_settings_is_read_where_the_environment_says_nothing(
    process: Start, cluster: Cluster, database: str, tmp_path: Path
) -> None:
    values = {**cluster.environment(database), "SECRET_KEY": SECRET_KEY}
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    started = process({"SECRET_KEY": "-"}).wait_until_up()
    assert started.health()["checks"]["db"] == "ok"
    assert json.loads(started.log.read_text().splitlines()[0])["event"]
