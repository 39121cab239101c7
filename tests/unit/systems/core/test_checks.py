"""The checks of a core stack, against what a machine would answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from checks.core import stack
from checks.core.stack import check_core
from checks.result import CheckResult, Status
from components.core.deployed import DeployedCore
from tests.unit.providers.kinds.fake_session import FakeSession

JSON_LINES = "every log line is JSON with timestamp, level, service and event"
WRITTEN: dict[str, Any] = {
    "host": "pi",
    "ai": False,
    "backup": None,
    "name": "mail-assistant",
    "url": "http://127.0.0.1:8000",
    "start_timeout": 0,
    "containers": {
        "postgres": {"name": "mail-assistant-postgres", "memory": 512 * 2**20},
        "backend": {"name": "mail-assistant-backend", "memory": 512 * 2**20},
    },
}

DEPLOYED = DeployedCore.parse("core", WRITTEN)


def _container(**values: Any) -> dict[str, Any]:
    sound = {"running": True, "health": "healthy", "memory": 512 * 2**20, "volumes": [], "used": 80 * 2**20}
    return {**sound, "lines": 10, "not_json": 0, "leaks": 0, "secrets": 1, **values}


GOOD: dict[str, Any] = {
    "containers": {
        "postgres": _container(volumes=["mail-assistant_postgres_data"], not_json=9),
        "backend": _container(),
    },
    "pages": {
        "/health": {"status": 200, "text": '{"status": "ok", "checks": {"db": "ok", "llm": "ok"}}', "seconds": 0.1},
        "/health/ready": {"status": 200, "text": "{}", "seconds": 0.1},
        "/": {"status": 200, "text": '<div id="health-status">', "seconds": 0.1},
        "/config": {"status": 200, "text": "".join(f'<input name="{key}">' for key in stack.SETTINGS), "seconds": 0.1},
    },
    "stranger": {"status": 421, "text": "", "seconds": 0.1},
    "tests": {
        "db": {"status": 200, "text": '{"service": "db", "status": "ok"}', "seconds": 0.2},
        "llm": {"status": 200, "text": '{"service": "llm", "status": "unconfigured"}', "seconds": 0.2},
        "mail": {"status": 200, "text": '{"service": "mail", "status": "unconfigured"}', "seconds": 0.2},
    },
    "json": {"status": 200, "text": json.dumps(dict.fromkeys(stack.SETTINGS)), "seconds": 0.1},
    "unknown": {"status": 422, "text": "{}", "seconds": 0.1},
    "durable": ["on", "on", "on"],
}


async def asked(seen: dict[str, Any]) -> list[CheckResult]:
    session = FakeSession(machine="pi")
    session.on("python3 -c", json.dumps(seen))
    return await check_core(session, DEPLOYED)


async def test_a_stack_that_works_passes_every_check():
    rows = await asked(GOOD)
    assert [row for row in rows if row.status is not Status.PASS] == []
    assert {row.story for row in rows} == {"US1", "US2", "US3", "SC-006"}


def _without(place: str) -> Callable[[dict[str, Any]], None]:
    return lambda seen: seen["containers"].pop(place)


def _set(value: Any, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(seen: dict[str, Any]) -> None:
        place = seen
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "question"),
    [
        (_without("postgres"), "postgres runs and is healthy"),
        (_set("unhealthy", "containers", "backend", "health"), "backend runs and is healthy"),
        (_set(0, "containers", "backend", "memory"), "backend has its memory limit"),
        (_set('{"checks": {"db": "unreachable"}}', "pages", "/health", "text"), "/health says db: ok"),
        (_set("<html>", "pages", "/health", "text"), "/health says db: ok"),
        (_set(503, "pages", "/health/ready", "status"), "it is ready for requests"),
        (_set(0, "pages", "/", "status"), "the dashboard is there"),
        (_set(2.1, "pages", "/health", "seconds"), "/health answers within 2 seconds"),
        (_set(200, "stranger", "status"), "it answers to no name but its own"),
        (
            _set('name="llm_endpoint" name="event_date"', "pages", "/config", "text"),
            "the page Config asks for every setting",
        ),
        (_set("", "pages", "/config", "text"), "the page Config asks for every setting"),
        (_set(6.0, "tests", "llm", "seconds"), "a connection test answers within 5 seconds"),
        (_set(403, "tests", "mail", "status"), "a connection test answers within 5 seconds"),
        (_set("<html>", "tests", "llm", "text"), "a connection test answers within 5 seconds"),
        (_set('{"status": "unreachable"}', "tests", "db", "text"), "a connection test answers within 5 seconds"),
        (_set('{"llm_endpoint": null}', "json", "text"), "a program is told every setting as JSON"),
        (_set("<html>", "json", "text"), "a program is told every setting as JSON"),
        (_set(200, "unknown", "status"), "a setting that there is not is refused"),
        (_set(["off", "on", "on"], "durable"), "what is saved is on the disk (fsync)"),
        (_set([], "durable"), "what is saved is on the disk (fsync)"),
        (_set([], "containers", "postgres", "volumes"), "settings outlive the containers"),
        (
            _set(1, "containers", "backend", "not_json"),
            JSON_LINES,
        ),
        (_set(0, "containers", "backend", "lines"), JSON_LINES),
        (_set(1, "containers", "postgres", "leaks"), "no secret is in any log"),
        (_set(3 * 2**30, "containers", "backend", "used"), "the containers use 2 GiB at most"),
    ],
)
async def test_what_does_not_work_fails_its_own_check(change: Callable[[dict[str, Any]], None], question: str):
    seen = copy.deepcopy(GOOD)
    change(seen)
    assert question in [row.question for row in await asked(seen) if row.status is Status.FAIL]


def test_the_text_that_looks_around_on_the_machine_is_good_python():
    compile(stack._SEEN, "seen", "exec")
