"""The words as tables, and the plugin in maubot's own test bot."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from maubot.testing import TestBot
from mautrix.types import MessageType
from mautrix.util.config import RecursiveDict
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from sna_echo import SnaEcho
from sna_echo.settings import Settings, WrongSetting
from sna_echo.words import LONGEST, USAGE, echo, pong

ROOM = "!subscribed:test"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("hello", "hello"), ("  a  b ", "a  b"), ("", USAGE), (" \n", USAGE), ("x" * LONGEST, "x" * LONGEST)],
)
def test_the_words_come_back(words: str, expected: str) -> None:
    assert echo(words) == expected


def test_what_no_event_could_hold_is_cut() -> None:
    assert len(echo("x" * 70_000)) == LONGEST


@pytest.mark.parametrize(
    ("sent", "now", "expected"),
    [(1000, 1250, "took 250 ms"), (1000, 1000, "took 0 ms"), (0, 12_400, "took 12 s"), (2000, 1000, "clock is behind")],
)
def test_a_ping_says_how_long_the_message_took(sent: int, now: int, expected: str) -> None:
    assert expected in pong(sent, now)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", "yes"),
        ("enabled", None),
        ("room_subscriptions", "!a:b"),
        ("room_subscriptions", 5),
        ("room_subscriptions", ["#alias:b"]),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_its_key(key: str, value: Any) -> None:
    with pytest.raises(WrongSetting, match=f"^{key}: "):
        Settings.read({"enabled": True, "room_subscriptions": [], key: value})


class Instance:
    """The plugin before maubot's test bot, with a config that can be edited."""

    def __init__(self) -> None:
        base = YAML().load((Path(__file__).parent.parent / "base-config.yaml").read_text())
        self.bot = TestBot(mxid="@echo-bot:test", mxurl="http://homeserver.test")
        self.text = CommentedMap({"room_subscriptions": [ROOM]})
        config_class = SnaEcho.get_config_class()
        assert config_class is not None
        config = config_class(lambda: self.text, lambda: RecursiveDict(base, CommentedMap).clone(), lambda data: None)
        log = logging.getLogger("maubot.instance.echo")
        loop = asyncio.get_running_loop()
        self.plugin = SnaEcho(self.bot.client, loop, None, "echo", log, config, None, None, None, None)

    async def says(self, text: str, room: str = ROOM, **how: Any) -> list[Any]:
        before = len(self.bot.responded)
        await self.bot.send(text, room_id=room, **how)
        return [event.content for event in self.bot.responded[before:]]


@pytest_asyncio.fixture
async def instance() -> Any:
    made = Instance()
    await made.plugin.internal_start()
    yield made
    await made.plugin.internal_stop()


async def test_the_bot_says_the_words_as_a_reply_that_no_bot_answers(instance: Instance) -> None:
    (content,) = await instance.says("!echo **hello** @room <b>you</b>")
    assert content.body == "**hello** @room <b>you</b>"
    assert content.msgtype == MessageType.NOTICE
    assert content.serialize()["m.mentions"] == {}
    assert content.relates_to.in_reply_to.event_id == "test"


async def test_the_bot_says_how_to_ask(instance: Instance) -> None:
    (content,) = await instance.says("!echo")
    assert content.body == USAGE


async def test_a_ping_is_answered(instance: Instance) -> None:
    (content,) = await instance.says("!ping", timestamp=int(time.time() * 1000) - 50)
    assert content.body.startswith("Pong! The message took ")


async def test_other_rooms_own_messages_and_other_words_are_ignored(instance: Instance) -> None:
    assert await instance.says("!echo hello", room="!other:test") == []
    assert await instance.says("!echo hello", sender="@echo-bot:test") == []
    assert await instance.says("!echo hello", msg_type=MessageType.NOTICE) == []
    assert await instance.says("echo hello") == []
    assert await instance.says("!echoes") == []


async def test_an_edit_of_the_config_holds_at_once_and_a_wrong_one_does_not(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    instance.text["enabled"] = False
    await instance.plugin.on_external_config_update()
    assert await instance.says("!echo hello") == []
    instance.text["enabled"] = "yes"
    await instance.plugin.on_external_config_update()
    assert "enabled: 'yes' is neither true nor false." in caplog.text
    assert await instance.says("!echo hello") == []
    instance.text.update({"enabled": True, "room_subscriptions": ["!other:test"]})
    await instance.plugin.on_external_config_update()
    assert len(await instance.says("!echo hello", room="!other:test")) == 1


async def test_an_instance_with_wrong_settings_does_not_start() -> None:
    made = Instance()
    made.text["room_subscriptions"] = ["#alias:test"]
    with pytest.raises(WrongSetting):
        await made.plugin.internal_start()
