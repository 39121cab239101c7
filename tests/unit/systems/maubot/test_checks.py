"""The checks of a maubot host: each can fail."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from checks.maubot.bots import check_bots
from checks.maubot.host import check_others, check_reliability, check_service
from checks.result import CheckResult, Status
from components.maubot.deployed import DeployedMaubot
from tests.unit.providers.kinds.fake_session import FakeSession
from tests.unit.providers.kinds.matrix.memory_servers import CONFIG_FILE, HOMESERVER, Servers

USER = "@echo:lab.test"
STATE, RECORD = "/var/lib/maubot-health/state.json", "/var/lib/maubot-health/record.json"
CONFIG = """
server: {hostname: 127.0.0.1, port: 29316, unshared_secret: "%s"}
homeservers: {lab.test: {url: "http://127.0.0.1:8008"}}
admins: {root: "", admin: "$2b$12$0123456789012345678901234567890123456789012345678901"}
"""


def deployed(**changed: Any) -> DeployedMaubot:
    told = {
        "host": "vps",
        "platform": "debian",
        "tunnel": "ssh",
        "web_page": "http://localhost",
        "homeserver": HOMESERVER,
        "homeserver_unit": "matrix-continuwuity",
        "services": ["nginx"],
        "port": 29316,
        "config_file": CONFIG_FILE,
        "health_folder": "/var/lib/maubot-health",
        "backup": "/var/backups/maubot",
        "bots": {USER: {"device_id": "MAUBOT", "enabled": True, "instances": ["echo-1"], "rooms": []}},
        "instances": {"echo-1": {"plugin": "known", "user_id": USER, "enabled": True}},
    }
    return DeployedMaubot.model_validate({**told, **changed})


def machine() -> FakeSession:
    session = FakeSession()
    unit = "ActiveState=active\nUnitFileState=enabled\nUser=maubot\n"
    session.on("systemctl show maubot.service", unit)
    session.on("systemd-analyze", "→ Overall exposure level for maubot.service: 1.1 OK :-)\n")
    session.on("ss ", "LISTEN 0 128 127.0.0.1:29316 0.0.0.0:*\n")
    session.on("systemctl is-active maubot-health.timer maubot-health-restart.timer", "active\nactive\n")
    session.on("systemctl is-active maubot-backup.timer", "active\n")
    session.on("systemctl show nginx.service", "LoadState=loaded\nActiveState=active\n")
    session.put(CONFIG_FILE, CONFIG % ("k" * 64), mode="0600")
    session.put(STATE, json.dumps({"at": time.time(), "wrong": {}}))
    return session


def failed(rows: list[CheckResult]) -> list[str]:
    return [row.question for row in rows if row.status is Status.FAIL]


async def test_a_host_that_is_right_passes():
    session = machine()
    rows = [
        row for check in (check_service, check_reliability, check_others) for row in await check(session, deployed())
    ]
    assert failed(rows) == []
    skipped = [row.reason for row in rows if row.status is Status.SKIP]
    assert len(skipped) == 2
    assert any("only days of operation tell" in reason for reason in skipped)


@pytest.mark.parametrize(
    ("command", "answer", "question"),
    [
        ("systemctl show maubot.service", "ActiveState=failed\nUser=maubot\n", "maubot runs"),
        ("systemctl show maubot.service", "ActiveState=active\nUser=\n", "an account of its own"),
        ("systemd-analyze", "→ Overall exposure level for maubot.service: 9.2 UNSAFE\n", "confined"),
        ("systemd-analyze", "", "confined"),
        ("ss ", "LISTEN 0 128 0.0.0.0:29316 0.0.0.0:*\n", "127.0.0.1 and nowhere else"),
        ("ss ", "", "127.0.0.1 and nowhere else"),
    ],
)
async def test_a_service_that_is_not_right_fails(command: str, answer: str, question: str):
    rows = await check_service(machine().on(command, answer), deployed())
    (wrong,) = failed(rows)
    assert question in wrong


@pytest.mark.parametrize(
    ("content", "mode", "question"),
    [
        (CONFIG % "short", "0600", "48 bytes"),
        (CONFIG % ("k" * 64), "0644", "closed to others"),
        ((CONFIG % ("k" * 64)).replace("$2b$12$", "$2b$10$"), "0600", "cost 12"),
        ((CONFIG % ("k" * 64)).replace('8008"}', '8008", secret: x}'), "0600", "no registration secret"),
        ("registration_secrets: {}\n" + CONFIG % ("k" * 64), "0600", "no registration secret"),
        ("a: [", "0600", "can be read"),
    ],
)
async def test_a_configuration_that_is_not_right_fails(content: str, mode: str, question: str):
    session = machine()
    session.put(CONFIG_FILE, content, mode=mode)
    (wrong,) = failed(await check_service(session, deployed()))
    assert question in wrong


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"at": time.time(), "wrong": {USER: "its token is not good any more"}}, "its token is not good"),
        ({"at": time.time() - 3600, "wrong": {}}, "nobody has looked"),
        ({}, "nobody has looked"),
    ],
)
async def test_what_the_health_timer_saw_or_did_not_see_fails(state: dict[str, Any], told: str):
    session = machine()
    session.put(STATE, json.dumps(state))
    rows = await check_reliability(session, deployed())
    assert told in next(row.reason for row in rows if row.status is Status.FAIL)


async def test_a_timer_that_is_off_fails():
    session = machine().on("systemctl is-active maubot-health.timer", "active\ninactive\n")
    assert "the health timers are active (T036)" in failed(await check_reliability(session, deployed()))


@pytest.mark.parametrize(("good", "status"), [(100, Status.PASS), (99, Status.PASS), (98, Status.FAIL)])
async def test_seven_days_of_records_tell_the_uptime(good: int, status: Status):
    session = machine()
    session.put(RECORD, json.dumps({f"2026-11-{day}": [good, 100] for day in range(10, 20)}))
    (row,) = [row for row in await check_reliability(session, deployed()) if "SC-003" in row.question]
    assert row.status is status


@pytest.mark.parametrize(("hours", "status"), [(5, Status.PASS), (50, Status.FAIL)])
async def test_last_nights_backup_must_be_there(hours: int, status: Status):
    session = machine()
    name = time.strftime("%Y-%m-%dT%H%M%S", time.localtime(time.time() - hours * 3600))
    session.put("/var/backups/maubot")
    session.put(f"/var/backups/maubot/{name}")
    (row,) = [row for row in await check_reliability(session, deployed()) if "backup" in row.question]
    assert row.status is status


async def test_another_service_that_is_not_well_fails_and_one_that_is_not_there_is_left_out():
    session = machine().on("systemctl show nginx.service", "LoadState=loaded\nActiveState=failed\n")
    assert failed(await check_others(session, deployed())) == ["nginx is well"]
    session.on("systemctl show nginx.service", "LoadState=not-found\nActiveState=inactive\n")
    assert [row.status for row in await check_others(session, deployed())] == [Status.SKIP]


def servers() -> Servers:
    found = Servers()
    found.homeserver.tokens["token-1"] = ("echo", "MAUBOT")
    found.maubot.clients[USER] = {
        "id": USER,
        "homeserver": HOMESERVER,
        "access_token": "token-1",
        "enabled": True,
        "started": True,
    }
    found.maubot.instances["echo-1"] = {"type": "known", "primary_user": USER, "started": True, "enabled": True}
    return found


async def test_bots_that_are_right_pass_and_one_instance_does_not_tell_of_three():
    rows = await check_bots(servers().session, deployed())
    assert [row.status for row in rows] == [Status.PASS, Status.PASS, Status.PASS, Status.SKIP]


async def test_a_revoked_token_a_stopped_client_and_an_instance_of_another_plugin_fail():
    found = servers()
    found.homeserver.tokens.clear()
    assert f"{USER} is logged in and runs" in failed(await check_bots(found.session, deployed()))
    found = servers()
    found.maubot.clients[USER]["started"] = False
    assert f"{USER} is logged in and runs" in failed(await check_bots(found.session, deployed()))
    found = servers()
    found.maubot.instances["echo-1"]["type"] = "another"
    assert any("the instance echo-1" in question for question in failed(await check_bots(found.session, deployed())))


async def test_a_maubot_that_does_not_answer_fails_every_question_of_it():
    found = servers()
    found.session.web.clear()
    assert {"maubot lets us in (T019)", "the web page answers within 2 s (SC-007)"} <= set(
        failed(await check_bots(found.session, deployed()))
    )
