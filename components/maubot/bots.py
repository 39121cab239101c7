"""The bots as code: plugins, accounts, clients and instances, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import pulumi
from pulumi import Output, ResourceOptions

from components.maubot.preflight import plugin_archive
from components.maubot.secrets import bot_passwords
from components.maubot.units import ACCOUNTS
from components.system import SystemArgs
from config.systems.maubot import Maubot
from providers.resources.host import Directory
from providers.resources.matrix import MatrixUser, MaubotClient, MaubotInstance, MaubotPlugin


class Bots:
    """What the settings say of plugins, bots and instances. `ready` is what maubot answers after."""

    def __init__(
        self, name: str, args: SystemArgs[Maubot], parent: pulumi.Resource, ready: Sequence[pulumi.Resource]
    ) -> None:
        self._name, self._settings, self._args = name, args.settings, args
        self._parent, self._ready = parent, ready
        plugins = {plugin: self._plugin(plugin, source) for plugin, source in self._settings.plugins.items()}
        clients = self._clients()
        for instance, wish in self._settings.instances.items():
            MaubotInstance(
                f"{name}-instance-{instance}",
                host=self._settings.host,
                name=instance,
                type=wish.plugin,
                primary_user=clients[wish.bot].user_id,
                config=wish.config,
                enabled=wish.enabled,
                started=wish.enabled,
                database=self._settings.data,
                recheck_on=[
                    plugins[wish.plugin].sha256,
                    f"maubot=={self._settings.version}",
                    *self._settings.python_packages,
                ],
                opts=self._options(plugins[wish.plugin], clients[wish.bot]),
            )

    def _options(self, *after: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self._parent, depends_on=[*after])

    def _plugin(self, plugin: str, source: str) -> MaubotPlugin:
        """Return a plugin, from a path that counts from the project's folder."""
        archive = plugin_archive(plugin, source)
        return MaubotPlugin(
            f"{self._name}-plugin-{plugin}",
            host=self._settings.host,
            plugin=plugin,
            # From the project's folder, where the provider looks too: another clone has the same.
            source=source,
            sha256=archive.sha256,
            opts=self._options(*self._ready),
        )

    def _clients(self) -> dict[str, MaubotClient]:
        settings, secrets = self._settings, self._args.secrets
        if not settings.bots:
            return {}
        folder = Directory(
            f"{self._name}-accounts",
            host=settings.host,
            path=ACCOUNTS,
            mode="0700",
            opts=ResourceOptions(parent=self._parent),
        )
        # In a preview without secrets they are empty.
        lines = Output.from_input(secrets["maubot-bot-passwords"])
        passwords = lines.apply(
            lambda text: dict.fromkeys(settings.bots, "") if not text else bot_passwords(text, settings.bots)
        )
        clients: dict[str, MaubotClient] = {}
        for bot, wish in settings.bots.items():
            account = MatrixUser(
                f"{self._name}-account-{bot}",
                host=settings.host,
                homeserver=settings.homeserver,
                user=bot,
                password=Output.secret(passwords.apply(lambda found, bot=bot: found[bot] or "unknown in a preview")),
                registration_token=secrets.get("maubot-registration-token"),
                token_file=f"{ACCOUNTS}/{quote(bot, safe='')}.json",
                device_id=wish.device_id,
                deactivate=wish.deactivate,
                opts=self._options(folder),
            )
            clients[bot] = MaubotClient(
                f"{self._name}-client-{bot}",
                host=settings.host,
                user_id=settings.user_id(bot),
                homeserver=settings.homeserver,
                access_token=account.access_token,
                device_id=wish.device_id,
                enabled=wish.enabled,
                started=wish.enabled,
                autojoin=wish.autojoin,
                displayname=wish.displayname,
                avatar_url=wish.avatar_url,
                opts=self._options(*self._ready, account),
            )
        return clients
