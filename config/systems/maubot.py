"""Settings of maubot and its bots beside a homeserver that is there already, `hearth:maubot`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from config.calendar import calendar
from config.model import (
    Disagreement,
    HostName,
    Line,
    Settings,
    UnprivilegedPort,
    each_once,
    matches,
    socket_address,
)
from config.places import FlakeFolder, OwnFolder, PlainFile, inside
from config.secret_rules import at_least, bcrypt_password, one_line
from config.system import Listener, SystemSettings

SERVICES = ("matrix-continuwuity", "mautrix-slack", "forgejo", "postgresql", "nginx")
"""What the task list's own server runs besides, and no phase of a rollout may harm."""
TAKEN_PORTS = frozenset({8008, 29319, 3000})
"""Ports of that server's homeserver, bridge and forge."""


OWN_FOLDERS = tuple(
    PurePosixPath(path)
    for path in ("/var/lib/maubot", "/var/lib/maubot-accounts", "/var/lib/maubot-health", "/opt/maubot", "/etc/maubot")
)
"""Where maubot itself lies."""


def _homeserver(value: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@]+", value):
        raise ValueError("must be scheme, host and port alone; write it as http://127.0.0.1:8008")
    place = value.partition("://")[2]
    if re.fullmatch(r"localhost(:[0-9]+)?", place):
        raise ValueError("must not be localhost, which is ::1 on some machines; write 127.0.0.1")
    socket_address(place)
    return value


def _server_name(value: str) -> str:
    try:
        return socket_address(value)
    except ValueError:
        raise ValueError(
            "must be the homeserver's name, as after the colon of a user id; write it as example.org"
        ) from None


def _requirement(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!-]+", value):
        raise ValueError("must be a Python package with its version; write it as yt-dlp==2026.10.26")
    return value


def _packages_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """PEP 503: names that differ in case and separators alone are one package."""
    names = tuple(re.sub(r"[-_.]+", "-", re.split(r"[\[=]", value)[0]).lower() for value in values)
    if "maubot" in names:
        raise ValueError("must not hold maubot, whose version is a setting of its own; write it as version")
    each_once(names)
    return values


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
ServerName = Annotated[str, AfterValidator(_server_name)]
"""Matrix specification, appendix "Server Name"."""
MxcAddress = Annotated[str, matches(r"mxc://[A-Za-z0-9.:-]+/[A-Za-z0-9_-]+", "must be an mxc:// address of a picture")]
RoomId = Annotated[
    Line, matches(r"[!#][^\s:]+(:[A-Za-z0-9.:-]+)?", "must be a room; write it as #admins:example.org, or by its id")
]
UnitStem = Annotated[
    str,
    matches(
        r"(?!.*\.service$)[A-Za-z0-9@_][A-Za-z0-9@._-]*",
        "must be a service's name without .service; write it as matrix-continuwuity",
    ),
]
PackageName = Annotated[str, matches(r"[a-z0-9][a-z0-9.+-]+", "must be a Debian package's name; write it as ffmpeg")]


def passwords_by_bot(lines: str, bots: Iterable[str]) -> dict[str, str]:
    """Return the passwords in lines of NAME=password, of those bots that have one. A name may hold a `=` itself."""
    found: dict[str, str] = {}
    for line in lines.split("\n"):
        text = line.strip()
        rests = {bot: text[len(bot) :].lstrip() for bot in bots if text.startswith(bot)}
        fitting = [bot for bot, rest in rests.items() if rest.startswith("=") and len(rest) > 1]
        if fitting:
            bot = max(fitting, key=len)
            found[bot] = rests[bot][1:]
    return found


class Bot(Settings):
    """An account on the homeserver, and the client by which maubot uses it."""

    device_id: Annotated[str, matches(r"[A-Za-z0-9._~-]{1,90}", "must be letters, digits and . _ ~ -")] = Field(
        default="MAUBOT", description="Its device, for life: another one loses the keys of this one."
    )
    enabled: bool = Field(default=True, description="Whether it runs.")
    autojoin: bool = Field(default=True, description="Whether it goes where it is invited.")
    displayname: Line | None = Field(default=None, description="The name that it shows; else unmanaged.")
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
    metrics_folder: OwnFolder | None = Field(
        default=None,
        description="Folder of Prometheus' textfile collector, as /var/lib/prometheus/node-exporter; it must be there.",
    )


class Backup(Settings):
    """The nightly backup: maubot's database, those of the instances, and the configuration."""

    enabled: bool = Field(default=True, description="Whether there is one.")
    folder: OwnFolder = Field(default=PurePosixPath("/var/backups/maubot"), description="Where backups are kept.")
    keep: Annotated[int, Field(ge=1, le=365)] = Field(default=7, description="How many are kept.")
    restore_from: PlainFile | None = Field(
        default=None,
        description="What a new maubot begins with: a backup's folder on the machine, or the folder of several, of "
        "which the newest. A database that is there is left as it is.",
    )
    at: Annotated[str, AfterValidator(calendar)] = Field(
        default="*-*-* 03:30:00", description="When, as systemd.time(7) has it."
    )


class NixOs(Settings):
    """The machine's own configuration, where the platform is `nixos`."""

    flake: FlakeFolder = Field(default=PurePosixPath("/etc/nixos"), description="Folder of the machine's flake.")
    configuration: Annotated[str, matches(r"[A-Za-z0-9_][A-Za-z0-9_-]*", "must be a name; write it as ops-jrz1")] = (
        Field(description="Its name under nixosConfigurations.")
    )
    sops_file: Annotated[
        str,
        matches(
            r"(?!.*(^|/)\.\.(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
            "must be a path in the flake; write it as secrets/secrets.yaml",
        ),
    ] = Field(default="secrets/secrets.yaml", description="The file of secrets, from the flake's folder.")
    services: Annotated[tuple[UnitStem, ...], AfterValidator(each_once)] = Field(
        default=SERVICES, description="Services that must be healthy before and after each phase."
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
    homeserver_unit: UnitStem = Field(
        default="matrix-continuwuity", description="The homeserver's unit, where it is on the same machine."
    )
    port: UnprivilegedPort = Field(default=29316, description="Port of the web page and the API, on 127.0.0.1 alone.")
    admin: Annotated[
        str,
        matches(
            r"(?!root$)[A-Za-z0-9._-]{1,64}",
            "must be letters, digits and . _ -, and not root, whom maubot lets nobody log in as; choose such a name",
        ),
    ] = Field(default="admin", description="Name of maubot's admin.")
    version: Annotated[str, matches(r"[0-9]+\.[0-9]+\.[0-9]+", "must be a version; write it as '0.6.0'")] = Field(
        # renovate: datasource=pypi depName=maubot
        default="0.6.0",
        description="Version of maubot, 0.5.2 or later.",
    )
    database: Literal["sqlite", "postgresql"] = Field(
        default="sqlite",
        description="Where maubot keeps its own data: `postgresql` is a database that is there already. Instances keep "
        "theirs in SQLite files.",
    )
    python_packages: Annotated[
        tuple[Annotated[str, AfterValidator(_requirement)], ...], AfterValidator(_packages_once)
    ] = Field(default=(), description="Python packages that plugins need, each with its version.")
    packages: tuple[PackageName, ...] = Field(default=(), description="Debian packages that plugins need, as ffmpeg.")
    plugins: dict[PluginId, Line] = Field(
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
        if self.database == "postgresql" and self.platform == "debian":
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

    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {"bots": "maubot-bot-passwords"}
    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "maubot-admin-password": bcrypt_password,
        "maubot-secret-key": at_least(48),
        "maubot-registration-token": one_line,
        "maubot-database-url": one_line,
    }

    def disagreements(self) -> Iterator[Disagreement]:
        folder = self.backup.folder
        for place in OWN_FOLDERS:
            if inside(folder, place) or inside(place, folder):
                rule = f"must lie apart from maubot's {place}, and one is in the other; choose a place of its own"
                yield Disagreement("backup.folder", rule, str(folder))
        if self.homeserver_unit.startswith("maubot"):
            rule = "must be the homeserver's unit, and this is maubot's own; write the homeserver's"
            yield Disagreement("homeserver-unit", rule, self.homeserver_unit)

    def against_secrets(self, given: Mapping[str, str]) -> Iterator[Disagreement]:
        """Yield where a bot has no line among the passwords; the message names the bots and no password."""
        lines = given.get("maubot-bot-passwords")
        if lines is None:
            return
        known = passwords_by_bot(lines, self.bots)
        if missing := [bot for bot in self.bots if bot not in known]:
            rule = (
                f"must have a line NAME=password for each of bots, and {', '.join(missing)} has none; add it: "
                "pulumi config set --secret hearth:maubot-bot-passwords"
            )
            yield Disagreement("maubot-bot-passwords", rule)

    def listeners(self) -> Sequence[Listener]:
        """Return maubot's page; and the homeserver's own port, where that is on the machine."""
        found = [Listener("port", self.host, self.port, (IPv4Address("127.0.0.1"),))]
        place = urlsplit(self.homeserver)
        if place.hostname in ("127.0.0.1", "::1"):
            port = place.port or {"http": 80, "https": 443}[place.scheme]
            found.append(Listener("homeserver", self.host, port, (ip_address(place.hostname),)))
        return found

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

    @property
    def watched(self) -> tuple[str, ...]:
        """The machine's other services, which must stay well."""
        return self.nixos.services if self.nixos else SERVICES

    def user_id(self, bot: str) -> str:
        """Return a bot's whole user id."""
        return f"@{bot}:{self.server_name}"
