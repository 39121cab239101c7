"""The application as a process: how it starts, how it ends, and what outlives it."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from foundation_testing.postgres import PASSWORD, Cluster, free_port, new_cluster
from foundation_testing.waiting import wait_until
from tests.conftest import GOOD_PASSWORD
from tests.servers import API_KEY, AUTH_SECRET, LanguageModel, Process
from todo_backend import schema
from todo_backend.config import MigrationSettings

Start = Callable[..., Process]
ADA = {"email": "ada@example.test", "password": GOOD_PASSWORD}


def registered(started: Process) -> httpx.Client:
    """Return a visitor who is signed in."""
    client = started.client()
    client.post("/auth/register", json=ADA).raise_for_status()
    return client


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    wait_until(condition, seconds, lambda: "it did not come to that")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"DATABASE_URL": "-"}, "DATABASE_URL is missing"),
        ({"AUTH_SECRET": "-"}, "AUTH_SECRET is missing"),
        ({"AUTH_SECRET": "canary-too-short"}, "AUTH_SECRET is wrong: it must have at least 32 characters"),
        ({"PORT": "99999"}, "PORT is wrong"),
    ],
)
def test_with_wrong_settings_it_ends_with_2_and_a_line_that_names_them(
    process: Start, environment: dict[str, str], name: str
) -> None:
    given = {"DATABASE_URL": "postgresql://a:canary@127.0.0.1/todo", **environment}
    port = {"PORT": environment.get("PORT", str(free_port()))}
    started = process({**given, **port}, "serve")
    assert started.process.wait(60) == 2
    (line,) = started.lines()
    assert line["problem"].startswith(name)
    assert "canary" not in started.log.read_text()


def test_a_command_that_there_is_not_is_told(process: Start) -> None:
    started = process({}, "destroy")
    assert started.process.wait(60) == 2
    assert "usage: todo-backend" in started.log.read_text()


def test_a_port_that_is_taken_ends_the_start_with_1(process: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        started = process({"DATABASE_URL": "postgresql://a:b@127.0.0.1/todo", "PORT": port})
        assert started.process.wait(60) == 1
    assert "Traceback" not in started.log.read_text()


async def test_the_database_may_go_and_come_back_without_a_restart(process: Start) -> None:
    cluster: Cluster = new_cluster()
    try:
        await schema.migrate(MigrationSettings(database_url=cluster.url()))  # pyright: ignore[reportArgumentType]
        started = process({"DATABASE_URL": cluster.url()}).wait_until_up()
        visitor = registered(started)
        assert visitor.post("/todos", json={"title": "Kept"}).status_code == 201
        cluster.stop()
        wait_for(lambda: visitor.get("/health").status_code == 503)
        assert visitor.get("/health").json()["checks"] == {"database": "unreachable"}
        assert visitor.get("/health/live").status_code == 200
        for answer in (visitor.get("/todos"), visitor.post("/todos", json={"title": "Lost"}), visitor.get("/auth/me")):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["detail"].startswith("The database does not answer")
        cluster.start()
        wait_for(lambda: visitor.get("/health").status_code == 200, seconds=15)
        assert [todo["title"] for todo in visitor.get("/todos").json()["items"]] == ["Kept"]
        assert started.process.poll() is None
        assert "Traceback" not in started.log.read_text()
    finally:
        cluster.remove()


def test_without_a_database_it_starts_all_the_same_and_finds_it_later(process: Start) -> None:
    started = process({"DATABASE_URL": f"postgresql://a:b@127.0.0.1:{free_port()}/todo"}).wait_until_up()
    assert started.client().get("/health").status_code == 503
    assert started.stop() == 0


def test_killed_during_a_request_it_leaves_all_of_it_or_nothing(
    process: Start, new_database: str, model: LanguageModel
) -> None:
    environment = {"DATABASE_URL": new_database, "OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": model.url}
    first = process({**environment, "NO_PROXY": "127.0.0.1"}).wait_until_up()
    visitor = registered(first)
    model.says(*({"title": f"of the sentence {number}"} for number in range(10)))
    kept: list[str] = []

    def add() -> None:
        while True:
            title = f"todo {len(kept)}"
            try:
                visitor.post("/todos", json={"title": title}).raise_for_status()
            except httpx.HTTPError:
                return
            kept.append(title)

    def ask() -> None:
        try:
            visitor.post("/assistant/todos", json={"text": "everything"})
        except httpx.HTTPError:
            return

    threads = [threading.Thread(target=work) for work in (add, ask, ask, ask)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(kept) >= 10)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    for thread in threads:
        thread.join(30)
    second = process(environment).wait_until_up()
    after = second.client()
    after.cookies = visitor.cookies
    items = after.get("/todos", params={"limit": 500}).json()["items"]
    titles = [item["title"] for item in items]
    # What was acknowledged is there, in its order; the last one may be there without having been acknowledged.
    by_hand = [title for title in titles if title.startswith("todo ")]
    assert by_hand in (kept, [*kept, f"todo {len(kept)}"])
    assert len([title for title in titles if title.startswith("of the")]) % 10 == 0
    positions = [item["position"] for item in items]
    assert positions == sorted(set(positions))


def test_asked_to_stop_it_answers_what_is_under_way_and_what_still_comes(
    process: Start, new_database: str, model: LanguageModel
) -> None:
    environment = {"DATABASE_URL": new_database, "OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": model.url}
    started = process({**environment, "NO_PROXY": "127.0.0.1"}).wait_until_up()
    visitor = registered(started)
    model.may_answer.clear()
    model.says({"title": "Under way"})
    with ThreadPoolExecutor() as pool:
        under_way = pool.submit(visitor.post, "/assistant/todos", json={"text": "something"})
        wait_for(lambda: model.asked)
        # A connection that was opened before, and is used only afterwards: as a proxy's would be.
        idle = http.client.HTTPConnection("127.0.0.1", started.port, timeout=20)
        idle.request("GET", "/api/v1/health/live")
        idle.getresponse().read()
        started.process.send_signal(signal.SIGTERM)
        idle.request("GET", "/api/v1/health/live")
        answer = idle.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
        codes: list[int] = []
        told_to_close = False
        while True:
            try:
                new = httpx.get(f"{started.url}/api/v1/health/live", trust_env=False, timeout=20)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                # The listener is closed now. Whoever the kernel let in just before, and it had not, is reset.
                break
            codes.append(new.status_code)
            told_to_close = told_to_close or new.headers.get("connection") == "close"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{started.url}/api/v1/health/live", trust_env=False, timeout=20)
        assert codes
        assert set(codes) == {200}
        assert told_to_close
        assert started.process.poll() is None
        model.may_answer.set()
        assert under_way.result(30).status_code == 201
    assert started.process.wait(30) == 0
    assert "stopping" in [line["event"] for line in started.lines()]


def test_a_request_that_does_not_end_does_not_keep_it_from_ending(
    process: Start, new_database: str, model: LanguageModel
) -> None:
    environment = {"DATABASE_URL": new_database, "OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": model.url}
    started = process({**environment, "NO_PROXY": "127.0.0.1", "SHUTDOWN_GRACE": "2"}).wait_until_up()
    visitor = registered(started)
    model.may_answer.clear()
    with ThreadPoolExecutor() as pool:
        endless = pool.submit(visitor.post, "/assistant/todos", json={"text": "something"})
        wait_for(lambda: model.asked)
        assert started.stop(seconds=25) == 0
        assert isinstance(endless.exception(30), httpx.HTTPError) or endless.result().status_code >= 500


def test_what_was_sent_half_does_nothing_and_disturbs_nobody(process: Start, new_database: str) -> None:
    started = process({"DATABASE_URL": new_database}).wait_until_up()
    visitor = registered(started)
    cookie = f"todo_session={visitor.cookies['todo_session']}"
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", started.port)) as raw:
            head = f"POST /api/v1/todos HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
            raw.sendall(f'{head}Content-Length: 100\r\n\r\n{{"title": "half'.encode())
    for rubbish in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"A" * 100_000):
        with socket.create_connection(("127.0.0.1", started.port)) as raw:
            try:
                raw.sendall(rubbish)
                raw.shutdown(socket.SHUT_WR)
                assert b"Traceback" not in raw.recv(65536)
            except OSError:
                continue  # it was hung up on
    assert visitor.get("/todos").json() == {"items": [], "total": 0}
    assert started.stop() == 0
    assert "Traceback" not in started.log.read_text()


def test_its_log_is_json_and_holds_no_secret_whatever_happens(
    process: Start, new_database: str, model: LanguageModel
) -> None:
    environment = {"DATABASE_URL": new_database, "OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": model.url}
    started = process({**environment, "LOG_LEVEL": "DEBUG", "NO_PROXY": "127.0.0.1"}).wait_until_up()
    visitor = registered(started)
    cookie = str(visitor.cookies["todo_session"])
    visitor.post("/auth/sign-in", json={**ADA, "password": "canary-wrong-password"})
    visitor.get("/todos?q=canary-search&token=canary-token")
    visitor.post("/todos", json={"title": "canary-title", "notes": 7})
    visitor.post("/todos", content=b"canary", headers={"content-type": "text/plain"})
    model.status, model.body = 401, f'{{"error": "canary {API_KEY}"}}'
    visitor.post("/assistant/todos", json={"text": "canary-sentence"})
    visitor.post("/auth/sign-out")
    assert started.stop() == 0
    log = started.log.read_text()
    for secret in ("canary", AUTH_SECRET, API_KEY, PASSWORD, GOOD_PASSWORD, cookie, cookie[:64], ADA["email"]):
        assert secret not in log
    lines: list[dict[str, Any]] = started.lines()
    for line in lines:
        assert {"timestamp", "level", "service", "event"} <= line.keys()
    requests = [line for line in lines if line["event"] == "request"]
    assert {"method", "path", "status", "milliseconds", "request"} <= requests[-1].keys()
