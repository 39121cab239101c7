"""The parts of maubot's settings, and the rules of their values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field

from config.addresses import socket_address
from config.calendar import calendar
from config.model import Line, Settings, each_once, matches
from config.places import FlakeFolder, OwnFolder, PlainFile

SERVICES = ("matrix-continuwuity", "mautrix-slack", "forgejo", "postgresql", "nginx")
"""What the task list's own server runs besides, and no phase of a rollout may harm."""
TAKEN_PORTS = frozenset({8008, 29319, 3000})
"""Ports of that server's homeserver, bridge and forge."""


OWN_FOLDERS = tuple(
    PurePosixPath(path)
    for path in ("/var/lib/maubot", "/var/lib/maubot-accounts", "/var/lib/maubot-health", "/opt/maubot", "/etc/maubot")
)
"""Where maubot itself lies."""
ACCOUNT = "maubot"
"""Who it runs as."""
OWN_UNITS = (
    "maubot.service",
    "maubot-health.service",
    "maubot-health.timer",
    "maubot-health-restart.service",
    "maubot-health-restart.timer",
    "maubot-backup.service",
    "maubot-backup.timer",
)


def homeserver_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@%]+", value):
        raise ValueError("must be scheme, host and port alone; write it as http://127.0.0.1:8008")
    place = value.partition("://")[2]
    if re.fullmatch(r"localhost(:[0-9]+)?", place):
        raise ValueError("must not be localhost, which is ::1 on some machines; write 127.0.0.1")
    socket_address(place)
    return value


def _server_name(value: str) -> str:
    try:
        if re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*[A-Za-z0-9-])(:[0-9]{1,5})?", value):
            return socket_address(value)
        raise ValueError
    except ValueError:
        raise ValueError(
            "must be the homeserver's name, as after the colon of a user id; write it as example.org"
        ) from None


def _mxc_address(value: str) -> str:
    """Matrix specification, "Matrix Content (mxc://) URIs": a server's name, and what identifies the file there."""
    server, _, media = value.removeprefix("mxc://").partition("/")
    if not value.startswith("mxc://") or not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", media):
        raise ValueError("must be an mxc:// address of a picture; write it as mxc://example.org/abcdefgh")
    _server_name(server)
    return value


def requirement(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!-]+", value):
        raise ValueError("must be a Python package with its version; write it as yt-dlp==2026.10.26")
    return value


def packages_once(values: tuple[str, ...]) -> tuple[str, ...]:
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
PluginId = Annotated[
    str,
    Field(max_length=255),
    matches(r"[A-Za-z0-9][A-Za-z0-9._-]*", "must be a plugin's id; write it as sna.instagram"),
]
ServerName = Annotated[str, AfterValidator(_server_name)]
"""Matrix specification, appendix "Server Name"."""
MxcAddress = Annotated[str, AfterValidator(_mxc_address)]
RoomId = Annotated[
    Line, matches(r"[!#][^\s:]+(:[A-Za-z0-9.:-]+)?", "must be a room; write it as #admins:example.org, or by its id")
]
UnitStem = Annotated[
    str,
    matches(
        r"(?!.*\.service$)[A-Za-z0-9@_][A-Za-z0-9@._-]{0,246}",
        "must be a service's name without .service; write it as matrix-continuwuity",
    ),
]
PackageName = Annotated[
    str,
    Field(max_length=255),
    matches(r"[a-z0-9][a-z0-9.+-]+", "must be a Debian package's name; write it as ffmpeg"),
]


def _lines_by_bot(lines: str, bots: Iterable[str]) -> list[tuple[str, str]]:
    """Return (bot, password) of each line of NAME=password that is about one of these. A name may hold a `=` itself."""
    found: list[tuple[str, str]] = []
    for line in lines.split("\n"):
        text = line.strip()
        rests = {bot: text[len(bot) :].lstrip() for bot in bots if text.startswith(bot)}
        fitting = [bot for bot, rest in rests.items() if rest.startswith("=") and len(rest) > 1]
        if fitting:
            bot = max(fitting, key=len)
            found.append((bot, rests[bot][1:]))
    return found


def passwords_by_bot(lines: str, bots: Iterable[str]) -> dict[str, str]:
    """Return the passwords in lines of NAME=password, of those bots that have one."""
    return dict(_lines_by_bot(lines, bots))


def named_twice(lines: str, bots: Iterable[str]) -> list[str]:
    """Return the bots that two lines give a password to."""
    names = [bot for bot, _ in _lines_by_bot(lines, bots)]
    return sorted({name for name in names if names.count(name) > 1})


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
