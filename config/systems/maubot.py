"""Settings of maubot and its bots beside a homeserver that is there already, `hearth:maubot`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, model_validator

from config.model import HostName, MachinePath, Port, Settings, matches
from config.system import SystemSettings

SERVICES = ("matrix-continuwuity", "mautrix-slack", "forgejo", "postgresql", "nginx")
"""What the task list's own server runs besides, and no phase of a rollout may harm."""
TAKEN_PORTS = frozenset({8008, 29319, 3000})
"""Ports of that server's homeserver, bridge and forge."""


def _homeserver(value: str) -> str:
    if not re.fullmatch(r"https?://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?", value):
        raise ValueError("must be scheme, host and port alone; write it as http://127.0.0.1:8008")
    if re.fullmatch(r"https?://localhost(:[0-9]+)?", value):
        raise ValueError("must not be localhost, which is ::1 on some machines; write 127.0.0.1")
    return value


def _requirement(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!-]+", value):
        raise ValueError("must be a Python package with its version; write it as yt-dlp==2026.10.26")
    return value


Localpart = Annotated[
    str,
    matches(
        r"[a-z0-9._=/+-]{1,100}",
        "must be the part of a user id between @ and :, in lowercase letters; write it as instagram-bot",
    ),
]
InstanceName = Annotated[
    str,
    matches(r"[a-z0-9][a-z0-9._-]{0,99}", "must be lowercase letters, digits and . _ -; write it as instagram-bot-1"),
]
PluginId = Annotated[str, matches(r"[A-Za-z0-9][A-Za-z0-9._-]*", "must be a plugin's id; write it as sna.instagram")]
ServerName = Annotated[
    str,
    matches(
        r"[A-Za-z0-9.-]+(:[0-9]{1,5})?",
        "must be the homeserver's name, as after the colon of a user id; as example.org",
    ),
]
MxcAddress = Annotated[str, matches(r"mxc://[A-Za-z0-9.:-]+/[A-Za-z0-9_-]+", "must be an mxc:// address of a picture")]
RoomId = Annotated[
    str, matches(r"[!#][^\s:]+(:[A-Za-z0-9.:-]+)?", "must be a room; write it as #admins:example.org, or by its id")
]
Calendar = Annotated[
    str, matches(r"[A-Za-z0-9*:,/~. -]{1,100}", "must be a time of systemd.time(7); write it as *-*-* 03:30:00")
]
PackageName = Annotated[str, matches(r"[a-z0-9][a-z0-9.+-]+", "must be a Debian package's name; write it as ffmpeg")]


class Bot(Settings):
    """An account on the homeserver, and the client by which maubot uses it."""

    device_id: Annotated[str, matches(r"[A-Za-z0-9._~-]{1,90}", "must be letters, digits and . _ ~ -")] = Field(
        default="MAUBOT", description="Its device, for life: another one loses the keys of this one."
    )
    enabled: bool = Field(default=True, description="Whether it runs.")
    autojoin: bool = Field(default=True, description="Whether it goes where it is invited.")
    displayname: str | None = Field(default=None, min_length=1, description="The name that it shows; else unmanaged.")
    avatar_url: MxcAddress | None = Field(default=None, description="Its picture; else unmanaged.")
    deactivate: bool = Field(
        default=False,
        description="Whether destroy closes the account for good. Its name can then never be registered again.",
    )


class PluginInstance(Settings):
    """A plugin, run by a bot, with a config of its own."""

    plugin: PluginId = Field(description="Its plugin: a key of `plugins`.")
    bot: Localpart = Field(description="The bot that runs it: a key of `bots`.")
    config: dict[str, Any] = Field(
        default_factory=dict, description="The keys of its config that are managed; the rest is the plugin's."
    )
    enabled: bool = Field(default=True, description="Whether it runs.")

    @property
    def rooms(self) -> list[str]:
        """The rooms that its config names, where it does."""
        found = self.config.get("room_subscriptions")
        return [str(room) for room in cast(list[Any], found)] if isinstance(found, list) else []


class Health(Settings):
    """How maubot is watched."""

    every: Annotated[int, Field(ge=20, le=600)] = Field(default=45, description="Seconds between two looks at it.")
    restart_after: Annotated[int, Field(ge=2, le=20)] = Field(
        default=2, description="Looks in a row without an answer after which it is restarted."
    )
    restart_pause: Annotated[int, Field(ge=60, le=86400)] = Field(
        default=300, description="Seconds within which it is restarted once at most."
    )
    alert_room: RoomId | None = Field(
        default=None,
        description="Where errors and critical errors of maubot's log are told: the homeserver's admin room. A bot of "
        "these settings must be in it.",
    )
    alert_bot: Localpart | None = Field(default=None, description="The bot that tells them. Otherwise the first.")
    metrics_folder: MachinePath | None = Field(
        default=None,
        description="Folder of Prometheus' textfile collector, as /var/lib/prometheus/node-exporter; it must be there.",
    )


class Backup(Settings):
    """The nightly backup: maubot's database, those of the instances, and the configuration."""

    enabled: bool = Field(default=True, description="Whether there is one.")
    folder: MachinePath = Field(default=PurePosixPath("/var/backups/maubot"), description="Where backups are kept.")
    keep: Annotated[int, Field(ge=1, le=365)] = Field(default=7, description="How many are kept.")
    at: Calendar = Field(default="*-*-* 03:30:00", description="When, as systemd.time(7) has it.")


class NixOs(Settings):
    """The machine's own configuration, where the platform is `nixos`."""

    flake: MachinePath = Field(default=PurePosixPath("/etc/nixos"), description="Folder of the machine's flake.")
    configuration: Annotated[str, matches(r"[A-Za-z0-9_-]+", "must be a name; write it as ops-jrz1")] = Field(
        description="Its name under nixosConfigurations."
    )
    sops_file: Annotated[str, matches(r"[A-Za-z0-9._/-]+", "must be a path in the flake; as secrets/secrets.yaml")] = (
        Field(default="secrets/secrets.yaml", description="The file of secrets, from the flake's folder.")
    )
    services: tuple[Annotated[str, matches(r"[A-Za-z0-9@._-]+", "must be a unit's name; write it as nginx")], ...] = (
        Field(default=SERVICES, description="Services that must be healthy before and after each phase.")
    )


class Maubot(SystemSettings):
    """maubot on one machine, its plugins, bots and instances."""

    SECRETS: ClassVar[Mapping[str, str]] = {
        "maubot-admin-password": "Password of maubot's admin, for its web page: 12 characters to 72 bytes.",
        "maubot-secret-key": "What maubot signs its sessions with: 48 random bytes (openssl rand -base64 48).",
        "maubot-registration-token": "What the homeserver takes for new accounts. Without it: bots are there already.",
        "maubot-bot-passwords": "The bots' passwords: lines of NAME=password.",
        "maubot-database-url": "PostgreSQL: postgresql://user:password@127.0.0.1/maubot.",
    }

    host: HostName = Field(description="The machine, a key of hearth:hosts.")
    platform: Literal["debian", "nixos"] = Field(default="debian", description="What runs on the machine.")
    server_name: ServerName = Field(description="Name of the homeserver, as after the colon of a user id.")
    homeserver: Annotated[str, AfterValidator(_homeserver)] = Field(
        default="http://127.0.0.1:8008", description="Its address, as the machine sees it."
    )
    homeserver_unit: Annotated[str, matches(r"[A-Za-z0-9@._-]+", "must be a unit's name; as matrix-continuwuity")] = (
        Field(default="matrix-continuwuity", description="The homeserver's unit, where it is on the same machine.")
    )
    port: Port = Field(default=29316, description="Port of the web page and the API, on 127.0.0.1 alone.")
    admin: Annotated[str, matches(r"[A-Za-z0-9._-]{1,64}", "must be letters, digits and . _ -")] = Field(
        default="admin", description="Name of maubot's admin."
    )
    version: Annotated[str, matches(r"[0-9]+\.[0-9]+\.[0-9]+", "must be a version; write it as '0.6.0'")] = Field(
        # renovate: datasource=pypi depName=maubot
        default="0.6.0",
        description="Version of maubot, 0.5.2 or later.",
    )
    database: Literal["sqlite", "postgresql"] = Field(
        default="sqlite", description="Where maubot keeps its own data. Instances keep theirs in SQLite files."
    )
    python_packages: tuple[Annotated[str, AfterValidator(_requirement)], ...] = Field(
        default=(), description="Python packages that plugins need, each with its version."
    )
    packages: tuple[PackageName, ...] = Field(default=(), description="Debian packages that plugins need, as ffmpeg.")
    plugins: dict[PluginId, str] = Field(
        default_factory=dict, description="Id -> an .mbp file or a plugin's folder, from the project's folder."
    )
    bots: dict[Localpart, Bot] = Field(default_factory=dict, description="Name of each account -> what it is.")
    instances: dict[InstanceName, PluginInstance] = Field(default_factory=dict, description="Id -> what it runs.")
    health: Health = Field(default_factory=Health, description="How it is watched.")
    backup: Backup = Field(default_factory=Backup, description="The nightly backup.")
    nixos: NixOs | None = Field(default=None, description="Needed where the platform is nixos.")
    data: Literal["keep", "remove"] = Field(
        default="keep", description="What becomes of databases and backups on destroy."
    )
    protect_data: bool = Field(default=False, description="Whether destroy is refused while the data is there.")
    start_timeout: Annotated[int, Field(ge=10, le=900)] = Field(
        default=120, description="Seconds that maubot may take to answer."
    )

    def required_secrets(self) -> Mapping[str, str]:
        needed = {"maubot-admin-password": "maubot", "maubot-secret-key": "maubot"}
        if self.platform == "nixos":
            needed = {}  # they are in the machine's own file of secrets
        if self.bots:
            needed["maubot-bot-passwords"] = "maubot.bots"
        if self.database == "postgresql":
            needed["maubot-database-url"] = "maubot.database"
        return needed

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Maubot:
        for name, instance in self.instances.items():
            if instance.plugin not in self.plugins:
                there = ", ".join(self.plugins) or "none yet"
                raise ValueError(
                    f"the instance {name} runs the plugin {instance.plugin}, which plugins does not have"
                    f" (there: {there}); add it there, or correct the name"
                )
            if instance.bot not in self.bots:
                there = ", ".join(self.bots) or "none yet"
                raise ValueError(
                    f"the instance {name} is run by the bot {instance.bot}, which bots does not have (there: {there});"
                    " add it there, or correct the name"
                )
            if instance.enabled and not self.bots[instance.bot].enabled:
                raise ValueError(
                    f"the instance {name} can't run while its bot {instance.bot} is not enabled;"
                    " enable the bot, or disable the instance"
                )
        return self

    @model_validator(mode="after")
    def _what_can_be(self) -> Maubot:
        if tuple(int(part) for part in self.version.split(".")) < (0, 5, 2):
            raise ValueError("version must be 0.5.2 or later, the first without a known way in; write a newer one")
        if self.port in TAKEN_PORTS or f":{self.port}" == self.homeserver[self.homeserver.rfind(":") :]:
            taken = ", ".join(str(port) for port in sorted(TAKEN_PORTS))
            raise ValueError(f"port must be free: {taken} and the homeserver's own are taken there; choose another")
        if (self.platform == "nixos") != (self.nixos is not None):
            raise ValueError("nixos must be given where the platform is nixos, and only there; give both or neither")
        if self.platform == "nixos" and (self.python_packages or self.packages):
            raise ValueError(
                "python-packages and packages are Debian's way; on nixos, add them to services.maubot in the flake"
            )
        if self.health.alert_room and not self.bots:
            raise ValueError("health.alert-room needs a bot that tells; give one under bots, or leave the room out")
        if self.health.alert_bot and self.health.alert_bot not in self.bots:
            raise ValueError("health.alert-bot must be a key of bots; correct the name")
        return self

    def user_id(self, bot: str) -> str:
        """Return a bot's whole user id."""
        return f"@{bot}:{self.server_name}"
