"""Fixtures: the stand-in for Instagram, and an instance of the plugin before a client whose homeserver is a list."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from maubot.matrix import MaubotMatrixClient, MaubotMessageEvent
from mautrix.api import HTTPAPI
from mautrix.types import EventType, MediaRepoConfig, MessageEvent, MessageType, TextMessageEventContent
from mautrix.util.async_db import Database
from mautrix.util.config import RecursiveDict
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from sna_instagram.bot import Config, SnaInstagram
from sna_instagram.breaker import Breaker
from sna_instagram.gate import Gate
from sna_instagram.memory import upgrade_table
from sna_instagram.workers import Workers

from .site import Site

HERE = Path(__file__).parent.parent
ROOM, OTHER_ROOM = "!subscribed:test", "!other:test"
BOT, USER = "@instagram-bot:test", "@user:test"


@pytest_asyncio.fixture(scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Yield one stand-in for all tests; each gives its posts names of its own."""
    async with Site().served(tmp_path_factory.mktemp("site")) as served:
        with pytest.MonkeyPatch.context() as patch:
            # As an operator would whose proxy shows a certificate of its own.
            patch.setenv("SSL_CERT_FILE", served.authority)
            yield served


@dataclasses.dataclass
class Room:
    """The bot's side of Matrix: what it uploaded and sent, and what the homeserver says of itself."""

    upload_size: int | None = 104857600
    uploads: list[tuple[bytes, str, str]] = dataclasses.field(default_factory=list)
    sent: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)
    transactions: set[str] = dataclasses.field(default_factory=set)
    refusal: Exception | None = None
    count: int = 0
    last: str = ""

    def client(self) -> MaubotMatrixClient:
        client = MaubotMatrixClient(api=HTTPAPI(base_url="http://homeserver.test", client_session=object()))
        client.mxid = BOT
        client.send_message_event = self._send
        client.upload_media = self._upload
        client.get_media_repo_config = self._config
        self._client = client
        return client

    async def _send(self, room_id: str, event_type: EventType, content: Any, txn_id: str | None = None) -> str:
        assert txn_id is not None
        # As a homeserver does: what comes again under the same ID is the same.
        if txn_id not in self.transactions:
            self.transactions.add(txn_id)
            self.sent.append((room_id, str(event_type), content.serialize()))
        return f"$sent{len(self.sent)}"

    async def _upload(self, data: bytes, mime_type: str, filename: str) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.uploads.append((data, mime_type, filename))
        return f"mxc://test/{len(self.uploads)}"

    async def _config(self) -> MediaRepoConfig:
        return MediaRepoConfig(upload_size=self.upload_size)

    def message(self, body: str, *, room: str = ROOM, sender: str = USER, event_id: str | None = None,
                msgtype: MessageType = MessageType.TEXT, html: str | None = None) -> MaubotMessageEvent:  # fmt: skip
        self.count += 1
        content = TextMessageEventContent(msgtype=msgtype, body=body)
        if html is not None:
            content.format, content.formatted_body = "org.matrix.custom.html", html
        event = MessageEvent(type=EventType.ROOM_MESSAGE, room_id=room, event_id=event_id or f"$event{self.count}",
                             sender=sender, timestamp=0, content=content)  # fmt: skip
        self.last = event.event_id
        return MaubotMessageEvent(event, self._client)

    async def says(self, body: str, **how: Any) -> list[dict[str, Any]]:
        """Send a message through the client's own dispatching; return what the bot has sent when done with it."""
        return await self.happens(self.message(body, **how))

    async def happens(self, event: MessageEvent) -> list[dict[str, Any]]:
        before = len(self.sent)
        await asyncio.gather(*self._client.dispatch_manual_event(EventType.ROOM_MESSAGE, event, force_synchronous=True))
        return [content for _, _, content in self.sent[before:]]


class Instances:
    """Makes instances as maubot does: config from base-config.yaml, a database that outlives them, `internal_start`."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self.running: list[SnaInstagram] = []
        self.text: dict[str, Any] = {}

    async def start(self, room: Room, name: str = "one", **settings: Any) -> SnaInstagram:
        base = YAML().load((HERE / "base-config.yaml").read_text())
        self.text = CommentedMap({"room_subscriptions": [ROOM], "proxy": self._site.proxy, **settings})
        config = Config(lambda: self.text, lambda: RecursiveDict(base, CommentedMap).clone(), lambda data: None)
        log = logging.getLogger(f"maubot.instance.{name}")
        database = Database.create(f"sqlite:{self._folder}/{name}.db", upgrade_table=upgrade_table, log=log)
        await database.start()
        loop = asyncio.get_running_loop()
        plugin = SnaInstagram(room.client(), loop, None, name, log, config, database, None, None, None)
        try:
            await plugin.internal_start()
        except Exception:
            await database.stop()
            raise
        self.running.append(plugin)
        return plugin

    async def stop(self, plugin: SnaInstagram) -> None:
        self.running.remove(plugin)
        await plugin.internal_stop()
        await plugin.database.stop()


@pytest_asyncio.fixture
async def instances(site: Site, tmp_path: Path) -> AsyncIterator[Instances]:
    made = Instances(site, tmp_path)
    yield made
    for plugin in list(made.running):
        await made.stop(plugin)


@pytest_asyncio.fixture(scope="session")
async def gate(site: Site) -> AsyncIterator[Gate]:
    gate = Gate(logging.getLogger("test"), site.proxy)
    await gate.start()
    yield gate
    await gate.stop()


@pytest_asyncio.fixture(scope="session")
async def workers(site: Site) -> AsyncIterator[Workers]:
    workers = Workers(logging.getLogger("test"))
    await workers.prepare()
    yield workers
    await workers.stop()


@pytest_asyncio.fixture(scope="session")
async def instance(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[SnaInstagram, Room]]:
    """Yield one instance with the settings as they come, for all tests that need no other."""
    made, room = Instances(site, tmp_path_factory.mktemp("instance")), Room()
    plugin = await made.start(room)
    yield plugin, room
    await made.stop(plugin)


@pytest.fixture
def room(instance: tuple[SnaInstagram, Room]) -> Room:
    """Return the room before that instance, as if nothing had happened yet."""
    plugin, room = instance
    plugin._breaker = Breaker()
    room.uploads.clear()
    room.sent.clear()
    room.refusal = None
    return room


@pytest.fixture
def own_room() -> Room:
    """Return a room for an instance of the test's own."""
    return Room()
