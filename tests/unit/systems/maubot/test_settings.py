"""Settings of maubot: what is taken, and what is refused with which rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.systems.maubot import Maubot

WISH: dict[str, Any] = {
    "host": "vps",
    "server-name": "lab.test",
    "plugins": {"sna.instagram": "apps/sna-instagram"},
    "bots": {"instagram-bot": {}},
    "instances": {"instagram-bot-1": {"plugin": "sna.instagram", "bot": "instagram-bot", "config": {"enabled": True}}},
}


def settings(**changed: Any) -> Maubot:
    return Maubot.model_validate({**WISH, **{name.replace("_", "-"): value for name, value in changed.items()}})


def test_the_task_lists_own_values_are_the_defaults():
    found = settings()
    assert (found.homeserver, found.port, found.database) == ("http://127.0.0.1:8008", 29316, "sqlite")
    assert found.homeserver_unit == "matrix-continuwuity"
    assert (found.health.restart_pause, found.backup.keep) == (300, 7)
    assert found.user_id("instagram-bot") == "@instagram-bot:lab.test"


def test_the_rooms_of_an_instance_are_those_that_its_config_names():
    wish = {"plugin": "sna.instagram", "bot": "instagram-bot", "config": {"room_subscriptions": ["!a:lab.test"]}}
    assert settings(instances={"x": wish}).instances["x"].rooms == ["!a:lab.test"]
    assert settings().instances["instagram-bot-1"].rooms == []


def test_secrets_are_needed_by_what_is_deployed():
    assert set(settings().required_secrets()) == {
        *("maubot-admin-password", "maubot-secret-key", "maubot-bot-passwords")
    }
    assert "maubot-bot-passwords" not in settings(bots={}, instances={}).required_secrets()
    assert "maubot-database-url" in settings(database="postgresql").required_secrets()
    assert set(settings().required_secrets()) <= Maubot.SECRETS.keys()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"homeserver": "http://localhost:8008"}, "must not be localhost"),
        ({"homeserver": "http://127.0.0.1:8008/"}, "scheme, host and port alone"),
        ({"homeserver": "http://ann:pw@127.0.0.1:8008"}, "scheme, host and port alone"),
        ({"port": 8008}, "port: must be free"),
        ({"port": 3000}, "port: must be free"),
        ({"homeserver": "http://127.0.0.1:6167", "port": 6167}, "port: must be free"),
        ({"version": "0.5.1"}, "0.5.2 or later"),
        ({"version": "latest"}, "must be a version"),
        ({"python_packages": ["yt-dlp"]}, "with its version"),
        ({"python_packages": ["--index-url=http://x"]}, "with its version"),
        ({"packages": ["ffmpeg; rm"]}, "a Debian package's name"),
        ({"instances": {"x": {"plugin": "gone", "bot": "instagram-bot"}}}, "must be a plugin of plugins"),
        ({"instances": {"x": {"plugin": "sna.instagram", "bot": "gone"}}}, "must be a bot of bots"),
        ({"instances": {"X": {"plugin": "sna.instagram", "bot": "instagram-bot"}}}, "must be lowercase letters"),
        ({"bots": {"instagram-bot": {"enabled": False}}}, "must be enabled while its instance is"),
        ({"bots": {"@instagram-bot:lab.test": {}}}, "the part of a user id"),
        ({"health": {"alert-bot": "gone", "alert-room": "#admins:lab.test"}}, "alert-bot: must be a key of bots"),
        ({"health": {"alert-room": "admins"}}, "must be a room"),
        ({"health": {"every": 5}}, "greater than or equal to 20"),
        ({"backup": {"at": "daily; rm"}}, "a time of systemd"),
        ({"backup": {"keep": 0}}, "greater than or equal to 1"),
        ({"server_name": "lab test"}, "the homeserver's name"),
        ({"bogus": 1}, "Extra inputs"),
    ],
)
def test_what_can_not_be_is_refused_with_the_rule(changed: dict[str, Any], told: str):
    with pytest.raises(ValidationError) as error:
        settings(**changed)
    assert told in str(error.value)


def test_a_room_that_is_told_needs_somebody_who_tells():
    with pytest.raises(ValidationError, match="needs a bot that tells"):
        settings(bots={}, instances={}, health={"alert-room": "#admins:lab.test"})
