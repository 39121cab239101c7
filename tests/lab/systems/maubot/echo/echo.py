"""Says again what was said in the rooms of its config, and remembers each message in a database of its own."""

from maubot import MessageEvent, Plugin
from maubot.handlers import event
from mautrix.types import EventType
from mautrix.util.async_db import Connection, UpgradeTable
from mautrix.util.config import BaseProxyConfig, ConfigUpdateHelper

TABLE = UpgradeTable()


@TABLE.register(description="What was heard")
async def first(connection: Connection) -> None:
    await connection.execute("CREATE TABLE heard (id TEXT PRIMARY KEY)")


class Config(BaseProxyConfig):
    def do_update(self, helper: ConfigUpdateHelper) -> None:
        for key in ("prefix", "limits.size", "limits.names", "room_subscriptions", "broken"):
            helper.copy(key)


class EchoBot(Plugin):
    async def start(self) -> None:
        self.config.load_and_update()
        if self.config["broken"]:
            raise RuntimeError("broken on purpose")

    @classmethod
    def get_config_class(cls) -> type[Config]:
        return Config

    @classmethod
    def get_db_upgrade_table(cls) -> UpgradeTable:
        return TABLE

    @event.on(EventType.ROOM_MESSAGE)
    async def heard(self, message: MessageEvent) -> None:
        if message.sender == self.client.mxid or message.room_id not in self.config["room_subscriptions"]:
            return
        if message.content.body.startswith("alarm"):
            self.log.critical("there is an alarm: %s", message.content.body)
        await self.database.execute("INSERT INTO heard (id) VALUES ($1)", message.event_id)
        await message.respond(f"{self.config['prefix']}{message.content.body}")
