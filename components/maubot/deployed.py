"""What a maubot host tells its checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.system import Deployed, DeployedPart


class DeployedBot(DeployedPart):
    """A bot: its account, and what it runs."""

    device_id: str
    enabled: bool
    instances: Sequence[str]
    rooms: Sequence[str]
    """The rooms that its instances' configs name."""


class DeployedPluginInstance(DeployedPart):
    """An instance."""

    plugin: str
    user_id: str
    enabled: bool


class DeployedMaubot(Deployed):
    """maubot, its bots and instances, on one machine."""

    host: str
    """The machine: a key of `hearth:hosts`."""
    platform: str
    """`debian` or `nixos`."""
    flake: str | None = None
    """Folder of the machine's flake, on NixOS."""
    tunnel: str
    """The command that brings the web page to the operator's computer."""
    web_page: str
    """Its address there, while the tunnel is open."""
    homeserver: str
    homeserver_unit: str
    services: Sequence[str]
    """Other services on the machine that maubot must not harm; those that are not there are left out by the checks."""
    port: int
    config_file: str
    health_folder: str
    """Where the health timer keeps its own record."""
    backup: str | None = None
    """Folder of the backups; None where there are none."""
    bots: Mapping[str, DeployedBot]
    """By user id."""
    instances: Mapping[str, DeployedPluginInstance]
