"""The plugin: hears `!echo` and `!ping`, in the rooms of its settings only."""

from __future__ import annotations

import time

from maubot import MessageEvent, Plugin
from maubot.handlers import command
from mautrix.types import MessageType, TextMessageEventContent
from mautrix.util.config import BaseProxyConfig, ConfigUpdateHelper

from .settings import Settings, WrongSetting
from .words import echo, pong


class Config(BaseProxyConfig):
    """The keys of base-config.yaml; maubot drops any other."""

    def do_update(self, helper: ConfigUpdateHelper) -> None:
        for key in ("enabled", "room_subscriptions"):
            helper.copy(key)


class SnaEcho(Plugin):
    """One instance."""

    settings: Settings

    @classmethod
    def get_config_class(cls) -> type[BaseProxyConfig]:
        return Config

    async def start(self) -> None:
        """Raise WrongSetting: maubot then logs it and leaves the instance disabled."""
        assert self.config is not None
        self.config.load_and_update()
        self.settings = Settings.read(self.config)

    async def on_external_config_update(self) -> None:
        """Take new settings at once. Wrong ones are logged, and the former stay."""
        assert self.config is not None
        self.config.load_and_update()
        try:
            self.settings = Settings.read(self.config)
        except WrongSetting as error:
            self.log.error("The new config is not used, the former stays: %s", error)

    @command.new("echo", help="says the words")
    @command.argument("words", pass_raw=True, required=False)
    async def echo(self, evt: MessageEvent, words: str) -> None:
        await self._say(evt, echo(words or ""))

    @command.new("ping", help="says how long the message took")
    async def ping(self, evt: MessageEvent) -> None:
        await self._say(evt, pong(evt.timestamp, int(time.time() * 1000)))

    async def _say(self, evt: MessageEvent, text: str) -> None:
        if not self.settings.enabled or evt.room_id not in self.settings.room_subscriptions:
            return
        if evt.sender == self.client.mxid:
            return
        # A notice, so that no bot answers it; as it is, without Markdown; and nobody is meant by names in it.
        content = TextMessageEventContent(msgtype=MessageType.NOTICE, body=text)
        content["m.mentions"] = {}
        await evt.reply(content)
