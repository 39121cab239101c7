"""The plugin: hears messages, answers the links in them, and remembers that it did."""

from __future__ import annotations

import asyncio
import sys
import time

from maubot import MessageEvent, Plugin
from maubot.handlers import event
from mautrix.types import EventType, Format, MessageType, TextMessageEventContent
from mautrix.util.async_db import Database, UpgradeTable
from mautrix.util.config import BaseProxyConfig, ConfigUpdateHelper

from sna_instagram_fetch.failures import Failure, FetchFailed

from . import links
from .answer import Answering
from .breaker import Breaker
from .gate import Gate
from .limits import Limits
from .links import Link
from .media import Downloads, TooLarge
from .memory import Memory, upgrade_table
from .settings import Settings, WrongSetting
from .sources import ChildSource, InTurn
from .words import breaker_line, failure_line
from .workers import Workers

# SC-001. The last part is for saying that it did not work.
SECONDS = 5.0
FOR_SAYING = 0.6  # seconds of it
# In the order in which they are asked.
FETCHERS = ("yt-dlp", "instaloader")
# How long a start waits for their import, in seconds. A link that comes before that is told that it took too long.
STARTING = 15.0
# More links in one message than this are somebody's list, not something to look at together.
LINKS_AT_ONCE = 5


class Config(BaseProxyConfig):
    """The keys of base-config.yaml; maubot drops any other."""

    def do_update(self, helper: ConfigUpdateHelper) -> None:
        for key in ("enabled", "max_file_size", "room_subscriptions", "proxy"):
            helper.copy(key)


class SnaInstagram(Plugin):
    """One instance. maubot calls `start` and `stop`, and `on_external_config_update` when its config was edited."""

    settings: Settings

    @classmethod
    def get_config_class(cls) -> type[BaseProxyConfig]:
        return Config

    @classmethod
    def get_db_upgrade_table(cls) -> UpgradeTable:
        return upgrade_table

    async def start(self) -> None:
        """Raise WrongSetting: maubot then logs it and leaves the instance disabled."""
        assert self.config is not None
        assert isinstance(self.database, Database)
        self.config.load_and_update()
        self.settings = Settings.read(self.config)
        self._memory = Memory(self.database)
        await self._memory.forget_old()
        self._breaker = await self._memory.breaker()
        self._limits = Limits(self.client, self.log)
        self._running: set[asyncio.Task[None]] = set()
        self._in_hand: set[tuple[str, str]] = set()
        await self._open()

    async def stop(self) -> None:
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._close()

    async def _open(self) -> None:
        self._gate = Gate(self.log, self.settings.proxy)
        await self._gate.start()
        self._workers = Workers(self.log)
        sources = [ChildSource(name, self._workers, self._gate.url) for name in await self._fetchers()]
        downloads = Downloads(self._gate.url)
        self._downloads = downloads
        self._answering = Answering(self.client, InTurn(sources, self.log), downloads)

    async def _fetchers(self) -> list[str]:
        """Return the names of the fetchers, the first one first. The instance starts when they are ready to go."""
        try:
            installed = await self._workers.fetchers(STARTING)
        except FetchFailed as failed:
            self.log.warning("the fetchers are not ready yet: %s", failed.detail)
            return list(FETCHERS)
        if missing := [name for name in FETCHERS if name not in installed]:
            self.log.error(
                "%s can't be imported by maubot's Python (%s): install what the plugin's README names; until then %s",
                " and ".join(missing),
                sys.executable,
                f"{installed[0]} works alone" if installed else "no link is answered with what is behind it",
            )
        return [name for name in FETCHERS if name in installed] or list(FETCHERS)

    async def _close(self) -> None:
        await self._workers.stop()
        await self._downloads.close()
        await self._gate.stop()

    async def on_external_config_update(self) -> None:
        """Take new settings at once. Wrong ones are logged, and the former stay."""
        assert self.config is not None
        self.config.load_and_update()
        try:
            settings = Settings.read(self.config)
        except WrongSetting as error:
            self.log.error("The new config is not used, the former stays: %s", error)
            return
        former, self.settings = self.settings, settings
        if former.proxy != settings.proxy:
            await self._close()
            await self._open()

    @event.on(EventType.ROOM_MESSAGE)
    async def hear(self, evt: MessageEvent) -> None:
        """Take every message that the bot's user sees in any room."""
        began = time.monotonic()
        if not self.settings.enabled or evt.room_id not in self.settings.room_subscriptions:
            return
        # Notices are what bots say: two that answer each other would never end. An edit was a message before.
        if evt.sender == self.client.mxid or not isinstance(evt.content, TextMessageEventContent):
            return
        if evt.content.msgtype != MessageType.TEXT or evt.content.get_edit():
            return
        html = evt.content.formatted_body if evt.content.format == Format.HTML else None
        found = links.find(evt.content.body or "", html)[:LINKS_AT_ONCE]
        tasks = [asyncio.create_task(self._answer(evt, link, began)) for link in found]
        self._running.update(tasks)
        for task in tasks:
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, evt: MessageEvent, link: Link, began: float) -> None:
        key = (evt.event_id, link.code)
        if key in self._in_hand or await self._memory.was_answered(*key):
            return
        self._in_hand.add(key)
        try:
            outcome = await self._try(evt, link, began)
            await self._memory.remember(*key, evt.room_id, outcome)
            self.log.info("%s in %s: %s after %.2f s", link.code, evt.room_id, outcome, time.monotonic() - began)
        except Exception:
            self.log.exception("%s in %s: the answer could not be sent", link.code, evt.room_id)
        finally:
            self._in_hand.discard(key)

    async def _try(self, evt: MessageEvent, link: Link, began: float) -> str:
        """Answer the link, with the post or a line. The outcome for the memory."""
        if self._breaker.is_open(time.time()):
            await self._answering.say(evt, link, breaker_line(self._breaker.open_until))
            return Failure.RATE_LIMIT
        end = began + SECONDS - FOR_SAYING
        limit = self.settings.max_file_size
        size: int | None = None
        try:
            async with asyncio.timeout(end - time.monotonic()):
                limit = await self._limits.bytes_for(self.settings.max_file_size)
                answer = await self._answering.prepare(link, limit, end)
            await self._note(self._breaker.after_success())
            # No deadline any more: half an answer and a line that it failed would be two.
            await self._answering.send(evt, link, answer)
            return "posted"
        except TimeoutError:
            failed = FetchFailed(Failure.TIMEOUT, f"not done after {SECONDS - FOR_SAYING:.1f} s")
        except FetchFailed as error:
            failed, size = error, error.size if isinstance(error, TooLarge) else None
            if failed.failure in (Failure.TOO_LARGE, Failure.UPLOAD):
                self._limits.ask_again()
        self.log.warning("%s: %s: %s", link.code, failed.failure, failed.detail)
        await self._note(self._breaker.after_failure(failed.failure, time.time()))
        line = failure_line(failed.failure, seconds=SECONDS, limit=limit, size=size)
        await self._answering.say(evt, link, line)
        return failed.failure

    async def _note(self, breaker: Breaker) -> None:
        if breaker == self._breaker:
            return
        self._breaker = breaker
        await self._memory.keep_breaker(breaker)
