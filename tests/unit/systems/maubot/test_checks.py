"""The checks of a maubot host: each can fail."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from checks.maubot.host import NIXOS_SECRETS, check_others, check_reliability, check_service
from checks.maubot.record import check_record
from checks.result import CheckResult, Status
from components.maubot.deployed import DeployedMaubot
from components.maubot.nix_phases import PHASE_LINE
from components.maubot.units import KEY_FILE
from tests.unit.providers.kinds.fake_session import FakeSession
from tests.unit.providers.kinds.matrix.memory_servers import CONFIG_FILE, HOMESERVER

USER = "@echo:lab.test"
ROOM = "!room:lab.test"
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
        "flake": None,
        "tunnel": "ssh",
        "web_page": "http://localhost",
        "homeserver": HOMESERVER,
        "homeserver_unit": "matrix-continuwuity",
        "services": ["nginx"],
        "port": 29316,
        "config_file": CONFIG_FILE,
        "health_folder": "/var/lib/maubot-health",
        "backup": "/var/backups/maubot",
        "bots": {USER: {"device_id": "MAUBOT", "enabled": True, "instances": ["echo-1"], "rooms": [ROOM]}},
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
    session.on("journalctl")
    session.put(KEY_FILE, "key", mode="0400")
    session.put(CONFIG_FILE, CONFIG % ("k" * 64), mode="0600")
    session.put(STATE, json.dumps({"at": time.time(), "wrong": {}}))
    return session


def failed(rows: list[CheckResult]) -> list[str]:
    return [row.question for row in rows if row.status is Status.FAIL]


async def test_a_host_that_is_right_passes():
    session = machine()
    rows = [
        row
        for check in (check_service, check_reliability, check_record, check_others)
        for row in await check(session, deployed())
    ]
    assert failed(rows) == []
    skipped = [row.reason for row in rows if row.status is Status.SKIP]
    assert len(skipped) == 8
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
        ((CONFIG % ("k" * 64)).replace(":8008", ":6167"), "0600", "the homeserver and the port of the settings"),
        ((CONFIG % ("k" * 64)).replace("port: 29316", "port: 29317"), "0600", "the homeserver and the port"),
        ("a: [", "0600", "can be read"),
    ],
)
async def test_a_configuration_that_is_not_right_fails(content: str, mode: str, question: str):
    session = machine()
    session.put(CONFIG_FILE, content, mode=mode)
    (wrong,) = failed(await check_service(session, deployed()))
    assert question in wrong


@pytest.mark.parametrize("mode", ["0440", "0644", None])
async def test_a_secret_that_others_may_read_or_that_is_not_there_fails(mode: str | None):
    session = machine()
    del session.files[KEY_FILE]
    if mode:
        session.put(KEY_FILE, "key", mode=mode)
    (wrong,) = failed(await check_service(session, deployed()))
    assert "root alone may read" in wrong


async def test_on_nixos_the_last_phase_must_have_been_reached_and_the_secrets_are_those_of_sops():
    session, wish = machine(), deployed(platform="nixos", flake="/etc/nixos")
    for path in NIXOS_SECRETS:
        session.put(path, "x", mode="0400")
    for phase, wrong in (("service", 0), ("secrets", 1), ("modules", 1)):
        session.put("/etc/nixos/hearth-maubot.nix", f"# ours\n{PHASE_LINE}{phase}\n{{}}\n")
        assert len(failed(await check_service(session, wish))) == wrong
    del session.files["/etc/nixos/hearth-maubot.nix"]
    assert "last phase" in failed(await check_service(session, wish))[0]


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
    assert failed(await check_others(session, deployed())) == ["nginx is well (T013b, T013c, T013g, T017a)"]
    session.on("systemctl show nginx.service", "LoadState=not-found\nActiveState=inactive\n")
    assert [row.status for row in await check_others(session, deployed())] == [Status.SKIP]
