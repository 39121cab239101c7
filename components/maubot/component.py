"""maubot on one machine, beside a homeserver that is there already: the service, its bots as code, its health.

What the machine's platform does differently is in debian.py and nixos.py; the bots in bots.py; the units' texts in
units.py. docs/systems/maubot.md tells what it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components.maubot.bots import Bots
from components.maubot.debian import DebianMaubot
from components.maubot.deployed import DeployedMaubot
from components.maubot.nixos import NixosMaubot
from components.maubot.units import HEALTH_FOLDER
from components.system import SystemArgs
from config.systems.maubot import Maubot
from providers.kinds.matrix.common import CONFIG_FILE


class MaubotHost(pulumi.ComponentResource):
    """maubot, its plugins, accounts, clients and instances.

    Does not manage the homeserver, rooms, who is in them, or a proxy in front of the web page.
    """

    tunnel: Output[str]
    """The command that brings maubot's web page to the operator's computer."""
    bots: Output[Mapping[str, Any]]
    """User id -> its instances and the rooms that their configs name."""
    deployed: Output[dict[str, Any]]
    """What the checks need to know."""

    def __init__(self, name: str, args: SystemArgs[Maubot], opts: ResourceOptions | None = None) -> None:
        super().__init__("hearth:maubot:MaubotHost", name, None, opts)
        platform = DebianMaubot if args.settings.platform == "debian" else NixosMaubot
        ready: Sequence[pulumi.Resource] = platform(name, args, self).ready
        Bots(name, args, self, ready)
        self._outputs(args)

    def _outputs(self, args: SystemArgs[Maubot]) -> None:
        settings = args.settings
        bots = {
            settings.user_id(bot): {
                "device_id": wish.device_id,
                "enabled": wish.enabled,
                "instances": [name for name, instance in settings.instances.items() if instance.bot == bot],
                "rooms": sorted(
                    {room for each in settings.instances.values() if each.bot == bot for room in each.rooms}
                ),
            }
            for bot, wish in settings.bots.items()
        }
        host = args.machines.hosts.get(settings.host)
        login = f"{host.user}@" if host and host.user else ""
        port = f" -p {host.port}" if host and host.port else ""
        address = (host.address if host else None) or settings.host
        tunnel = f"ssh -N -L {settings.port}:127.0.0.1:{settings.port}{port} {login}{address}"
        self.tunnel = Output.from_input(tunnel)
        self.bots = Output.from_input(bots)
        self.deployed = DeployedMaubot.output(
            host=settings.host,
            platform=settings.platform,
            flake=str(settings.nixos.flake) if settings.nixos else None,
            tunnel=tunnel,
            web_page=f"http://localhost:{settings.port}/_matrix/maubot",
            homeserver=settings.homeserver,
            homeserver_unit=settings.homeserver_unit,
            services=list(dict.fromkeys((settings.homeserver_unit, *settings.watched))),
            port=settings.port,
            config_file=CONFIG_FILE,
            health_folder=HEALTH_FOLDER,
            backup=str(settings.backup.folder) if settings.backup.enabled else None,
            bots=bots,
            instances={
                name: {
                    "plugin": instance.plugin,
                    "user_id": settings.user_id(instance.bot),
                    "enabled": instance.enabled,
                }
                for name, instance in settings.instances.items()
            },
        )
        self.register_outputs({"tunnel": self.tunnel, "bots": self.bots, "deployed": self.deployed})
