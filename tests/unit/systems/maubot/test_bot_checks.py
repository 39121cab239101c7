"""The checks of maubot's bots: each can fail; and no point of the task list is without one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from checks.maubot import _IN_ORDER
from checks.maubot.bots import check_bots
from checks.result import Status
from components.maubot.deployed import DeployedMaubot
from tests.unit.providers.kinds.matrix.memory_servers import CONFIG_FILE, HOMESERVER, Servers
from tests.unit.systems.maubot.test_checks import CONFIG, ROOM, USER, deployed, failed, machine


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
    found.maubot.instances["echo-1"]["config"] = f"room_subscriptions: ['{ROOM}']\n"
    found.maubot.plugins["known"] = {"id": "known", "version": "1.0.0"}
    found.homeserver.rooms = [ROOM, "!another:lab.test"]
    return found


async def test_bots_that_are_right_pass_and_one_instance_does_not_tell_of_three():
    rows = await check_bots(servers().session, deployed())
    assert failed(rows) == []
    assert [row.story for row in rows if row.status is Status.SKIP] == ["US4", "US4"]


async def test_a_revoked_token_a_stopped_client_and_an_instance_of_another_plugin_fail():
    found = servers()
    found.homeserver.tokens.clear()
    assert any("is logged in and runs" in question for question in failed(await check_bots(found.session, deployed())))
    found = servers()
    found.maubot.clients[USER]["started"] = False
    assert any("is logged in and runs" in question for question in failed(await check_bots(found.session, deployed())))
    found = servers()
    found.maubot.instances["echo-1"]["type"] = "another"
    assert any("the instance echo-1" in question for question in failed(await check_bots(found.session, deployed())))


async def test_a_maubot_that_does_not_answer_fails_every_question_of_it():
    found = servers()
    found.session.web.clear()
    assert {"maubot lets us in (T019)", "the web page answers within 2 s (T018, T028, SC-007)"} <= set(
        failed(await check_bots(found.session, deployed()))
    )


def _left(found: Servers) -> None:
    found.homeserver.rooms = ["!another:lab.test"]


def _another_room(found: Servers) -> None:
    found.maubot.instances["echo-1"]["config"] = f"room_subscriptions: ['{ROOM}', '!more:lab.test']\n"


def _no_room(found: Servers) -> None:
    found.maubot.instances["echo-1"]["config"] = ""


def _no_plugin(found: Servers) -> None:
    found.maubot.plugins.clear()


def _no_log(found: Servers) -> None:
    found.maubot.features["log"] = False


@pytest.mark.parametrize(
    ("harm", "question"),
    [
        (_left, "is in the rooms of its settings"),
        (_another_room, "and to no other"),
        (_no_room, "is subscribed to the rooms"),
        (_no_plugin, "the plugin known is uploaded"),
        (_no_log, "shows the log"),
    ],
)
async def test_what_is_not_as_the_settings_say_fails(harm: Callable[[Servers], None], question: str):
    found = servers()
    harm(found)
    (wrong,) = failed(await check_bots(found.session, deployed()))
    assert question in wrong


def _several() -> DeployedMaubot:
    instance = {"user_id": USER, "enabled": True}
    kinds = {"echo-1": "known", "echo-2": "known", "links-1": "links"}
    bots = {USER: {"device_id": "MAUBOT", "enabled": True, "instances": list(kinds), "rooms": [ROOM]}}
    return deployed(bots=bots, instances={name: {**instance, "plugin": plugin} for name, plugin in kinds.items()})


async def test_several_bots_of_several_kinds_are_told_of_and_one_that_stands_still_fails_them():
    found = servers()
    found.maubot.plugins["links"] = {"id": "links", "version": "1.0.0"}
    for name, plugin in (("echo-2", "known"), ("links-1", "links")):
        found.maubot.instances[name] = {**found.maubot.instances["echo-1"], "type": plugin}
    assert failed(await check_bots(found.session, _several())) == []
    found.maubot.instances["links-1"]["started"] = False
    wrong = failed(await check_bots(found.session, _several()))
    assert sum("side by side" in question for question in wrong) == 2


LISTED = {
    *(f"T{number:03}" for number in range(13, 43)),
    *(f"T013{letter}" for letter in "abcdefgh"),
    *(f"T017{letter}" for letter in "abc"),
    *(f"SC-00{number}" for number in range(1, 9)),
}
"""The task list's points from T013 to T042, and its eight criteria."""


async def test_every_point_of_the_task_list_is_asked_or_skipped_with_a_reason():
    found, host = servers(), machine()
    for rule in host._rules:
        found.session._rules.append(rule)
    found.session.files |= {path: stat for path, stat in host.files.items() if path not in found.session.files}
    found.session.put(CONFIG_FILE, CONFIG % "the-key")
    asked = deployed(platform="nixos", flake="/etc/nixos")
    rows = [row for check in _IN_ORDER for row in await check(found.session, asked)]
    named = {point for row in rows for point in re.findall(r"T\d{3}[a-h]?|SC-\d{3}", row.question)}
    assert sorted(LISTED - named) == []
    assert all(row.reason for row in rows if row.status is Status.SKIP)
