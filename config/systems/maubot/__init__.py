"""Settings of maubot and its bots beside a homeserver that is there already, `hearth:maubot`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from config.model import Disagreement, HostName, Line, Rules, UnprivilegedPort, matches, where_known
from config.places import inside
from config.secret_rules import at_least, bcrypt_password, one_line, postgres_address
from config.system import Holding, Listener, SystemSettings
from config.systems.maubot import parts

LONGEST_USER_ID = 255


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
    server_name: parts.ServerName = Field(description="Name of the homeserver, as after the colon of a user id.")
    homeserver: Annotated[str, AfterValidator(parts.homeserver_address)] = Field(
        default="http://127.0.0.1:8008", description="Its address, as the machine sees it."
    )
    homeserver_unit: parts.UnitStem = Field(
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
    version: Annotated[
        str, matches(r"(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}", "must be a version; write it as '0.6.0'")
    ] = Field(
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
        tuple[Annotated[str, AfterValidator(parts.requirement)], ...], AfterValidator(parts.packages_once)
    ] = Field(default=(), description="Python packages that plugins need, each with its version.")
    packages: tuple[parts.PackageName, ...] = Field(
        default=(), description="Debian packages that plugins need, as ffmpeg."
    )
    plugins: dict[parts.PluginId, Line] = Field(
        default_factory=dict, description="Id -> an .mbp file or a plugin's folder, from the project's folder."
    )
    bots: dict[parts.Localpart, parts.Bot] = Field(
        default_factory=dict, description="Name of each account -> what it is."
    )
    instances: dict[parts.InstanceName, parts.PluginInstance] = Field(
        default_factory=dict, description="Id -> what it runs."
    )
    health: parts.Health = Field(default_factory=parts.Health, description="How it is watched.")
    backup: parts.Backup = Field(default_factory=parts.Backup, description="The nightly backup.")
    nixos: parts.NixOs | None = Field(default=None, description="Needed where the platform is nixos.")
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

    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {"bots": "maubot-bot-passwords"}
    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "maubot-admin-password": bcrypt_password,
        "maubot-secret-key": at_least(48),
        "maubot-registration-token": one_line,
        "maubot-database-url": postgres_address,
    }

    def rules(self) -> Rules:
        return (
            self._plugins_are_there,
            self._bots_are_there,
            self._bots_are_enabled,
            self._own_places,
            self._places_apart,
            self._user_ids_are_short,
            self._homeserver_is_another,
            self._version_is_safe,
            self._port_is_free,
            self._nixos_is_told,
            self._packages_are_debians,
            self._somebody_tells,
            self._the_bot_that_tells,
        )

    def _plugins_are_there(self) -> Iterator[Disagreement]:
        there = ", ".join(self.plugins) or "none yet"
        for name, plugin in where_known(*((lambda n=n, i=i: (n, i.plugin)) for n, i in self.instances.items())):
            if plugin not in self.plugins:
                rule = f"must be a plugin of plugins (there: {there}); add it there, or correct the name"
                yield Disagreement(f"instances.{name}.plugin", rule, plugin)

    def _bots_are_there(self) -> Iterator[Disagreement]:
        there = ", ".join(self.bots) or "none yet"
        for name, bot in where_known(*((lambda n=n, i=i: (n, i.bot)) for n, i in self.instances.items())):
            if bot not in self.bots:
                rule = f"must be a bot of bots (there: {there}); add it there, or correct the name"
                yield Disagreement(f"instances.{name}.bot", rule, bot)

    def _bots_are_enabled(self) -> Iterator[Disagreement]:
        for name, instance in self.instances.items():
            if instance.enabled and instance.bot in self.bots and not self.bots[instance.bot].enabled:
                rule = "must be enabled while its instance is; enable the bot, or disable the instance"
                yield Disagreement(f"instances.{name}.bot", rule, instance.bot)

    def _own_places(self) -> Iterator[Disagreement]:
        rule = "must lie apart from maubot's {}, and one is in the other; choose a place of its own"
        chosen = where_known(
            lambda: ("backup.folder", self.backup.folder), lambda: ("health.metrics-folder", self.health.metrics_folder)
        )
        for place in parts.OWN_FOLDERS:
            for key, path in chosen:
                if path is not None and (inside(path, place) or inside(place, path)):
                    yield Disagreement(key, rule.format(place), str(path))

    def _places_apart(self) -> Iterator[Disagreement]:
        folder, metrics = self.backup.folder, self.health.metrics_folder
        if metrics is not None and (inside(metrics, folder) or inside(folder, metrics)):
            rule = f"must lie apart from backup.folder ({folder}), and one is in the other; choose a place of its own"
            yield Disagreement("health.metrics-folder", rule, str(metrics))

    def _user_ids_are_short(self) -> Iterator[Disagreement]:
        longest = max(map(len, self.bots), default=0)
        if longest and longest + len(self.server_name) + 2 > LONGEST_USER_ID:
            rule = (
                f"must be short enough: with the server's name a user id has at most {LONGEST_USER_ID} characters "
                "(Matrix specification, User Identifiers); choose shorter names"
            )
            yield Disagreement("bots", rule, max(self.bots, key=len))

    def _homeserver_is_another(self) -> Iterator[Disagreement]:
        if self.homeserver_unit.startswith("maubot"):
            rule = "must be the homeserver's unit, and this is maubot's own; write the homeserver's"
            yield Disagreement("homeserver-unit", rule, self.homeserver_unit)

    def against_secrets(self, given: Mapping[str, str]) -> Iterator[Disagreement]:
        """Yield where a bot has no line among the passwords; the message names the bots and no password."""
        lines = given.get("maubot-bot-passwords")
        if lines is None:
            return
        if twice := parts.named_twice(lines, self.bots):
            rule = f"must have one line for each bot, and {', '.join(twice)} has two; set it again"
            yield Disagreement("maubot-bot-passwords", rule)
        known = parts.passwords_by_bot(lines, self.bots)
        if missing := [bot for bot in self.bots if bot not in known]:
            rule = (
                f"must have a line NAME=password for each of bots, and {', '.join(missing)} has none; add it: "
                "pulumi config set --secret hearth:maubot-bot-passwords"
            )
            yield Disagreement("maubot-bot-passwords", rule)

    def holdings(self) -> Sequence[Holding]:
        """Return maubot's account, its folders and units, and where its backups are."""
        units = (PurePosixPath(f"/etc/systemd/system/{name}") for name in parts.OWN_UNITS)
        found = where_known(lambda: Holding("backup.folder", self.host, self.backup.folder))
        return [*found, *(Holding("", self.host, what) for what in (parts.ACCOUNT, *parts.OWN_FOLDERS, *units))]

    def listeners(self) -> Sequence[Listener]:
        """Return maubot's page; and the homeserver's own port, where that is on the machine."""
        page = (IPv4Address("127.0.0.1"),)
        found = where_known(lambda: Listener("port", self.host, self.port, page))
        for address in where_known(lambda: self.homeserver):
            place = urlsplit(address)
            if place.hostname in ("127.0.0.1", "::1"):
                port = place.port or {"http": 80, "https": 443}[place.scheme]
                found.append(Listener("homeserver", self.host, port, (ip_address(place.hostname),)))
        return found

    def _version_is_safe(self) -> Iterator[Disagreement]:
        if tuple(int(part) for part in self.version.split(".")) < (0, 5, 2):
            rule = "must be 0.5.2 or later, the first without a known way in; write a newer one"
            yield Disagreement("version", rule, self.version)

    def _port_is_free(self) -> Iterator[Disagreement]:
        if self.port in parts.TAKEN_PORTS or f":{self.port}" == self.homeserver[self.homeserver.rfind(":") :]:
            taken = ", ".join(str(port) for port in sorted(parts.TAKEN_PORTS))
            rule = f"must be free: {taken} and the homeserver's own are taken there; choose another"
            yield Disagreement("port", rule, self.port)

    def _nixos_is_told(self) -> Iterator[Disagreement]:
        if (self.platform == "nixos") != (self.nixos is not None):
            rule = "nixos must be given where the platform is nixos, and only there; give both or neither"
            yield Disagreement("", rule)

    def _packages_are_debians(self) -> Iterator[Disagreement]:
        if self.platform == "nixos" and (self.python_packages or self.packages):
            rule = "python-packages and packages are Debian's way; on nixos, add them to services.maubot in the flake"
            yield Disagreement("", rule)

    def _somebody_tells(self) -> Iterator[Disagreement]:
        if self.health.alert_room and not self.bots:
            rule = "needs a bot that tells; give one under bots, or leave the room out"
            yield Disagreement("health.alert-room", rule, self.health.alert_room)

    def _the_bot_that_tells(self) -> Iterator[Disagreement]:
        bot = self.health.alert_bot
        if bot and bot not in self.bots:
            yield Disagreement("health.alert-bot", "must be a key of bots; correct the name", bot)

    @property
    def watched(self) -> tuple[str, ...]:
        """The machine's other services, which must stay well."""
        return self.nixos.services if self.nixos else parts.SERVICES

    def user_id(self, bot: str) -> str:
        """Return a bot's whole user id."""
        return f"@{bot}:{self.server_name}"
