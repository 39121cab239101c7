"""Settings of the core stack: `hearth:core`. Its secrets are keys of their own (Core.SECRETS)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from config.addresses import HttpAddressFromContainer, IpAddresses, host_address
from config.model import (
    Disagreement,
    HostName,
    ImageName,
    LogLevel,
    NamePrefix,
    Port,
    Rules,
    Settings,
    each_once,
    fits_64_bits,
    matches,
    where_known,
)
from config.places import OwnFolder, PlainFile
from config.secret_rules import at_least, one_line
from config.system import Holding, Listener, SystemSettings

BACKEND_PORT = 8000
OLLAMA_PORT = 11434
MEBIBYTE = 1024 * 1024  # bytes
_UNITS = {"M": MEBIBYTE, "G": 1024 * MEBIBYTE}


def memory_bytes(text: str) -> int:
    """Return `512M` or `1G` in bytes."""
    return int(text[:-1]) * _UNITS[text[-1]]


def _memory(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[MG]", value):
        raise ValueError("must be a size in mebibytes or gibibytes; write it as 512M or 1G")
    fits_64_bits(f"{value}iB")
    if memory_bytes(value) < 64 * MEBIBYTE:
        raise ValueError("must be 64M or more, as none of the containers starts with less; raise it")
    return value


def _postgres_image(value: str) -> str:
    if postgres_major(value) is None:
        raise ValueError("must name its major version in the tag; write it as docker.io/library/postgres:17")
    return value


def postgres_major(image: str) -> int | None:
    """Return the major version in the tag of a postgres image; None where the tag names none."""
    match = re.search(r":([0-9]{2})([.-][^@]*)?(@sha256:[0-9a-f]{64})?$", image)
    return int(match[1]) if match else None


def postgres_mount(image: str) -> str:
    """Return where the volume is mounted: since 18 in a folder for all versions (the image's notes on PGDATA)."""
    return "/var/lib/postgresql" if (postgres_major(image) or 0) >= 18 else "/var/lib/postgresql/data"


def postgres_data(image: str) -> str:
    """Return where the data is.

    Each major version has a folder of its own in the volume, as the public image's 18 does it.

    So a new version finds the place empty, and the old one's data is there to go back to.
    """
    major = postgres_major(image) or 0
    return f"{postgres_mount(image)}/{major}/docker" if major >= 18 else f"{postgres_mount(image)}/{major}"


def _database_name(value: str) -> str:
    """Hold a name to PostgreSQL's manual, 4.1.1 and CREATE ROLE: 63 bytes, and what begins with pg_ is its own."""
    if value.startswith("pg_") or value in ("template0", "template1", "public", "none"):
        raise ValueError("must not be a name that PostgreSQL keeps for itself; choose another one")
    return value


DatabaseName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z_][a-z0-9_-]*",
        "must be lowercase letters, digits, '_' and '-', not beginning with a digit; choose such a name",
    ),
    AfterValidator(_database_name),
]
Memory = Annotated[str, AfterValidator(_memory)]


def _names_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of hosts, each once: they are the same in capitals."""
    each_once(tuple(value.lower() for value in values))
    return values


def _host_pattern(value: str) -> str:
    name = value.removeprefix("*.")
    try:
        if ":" not in value and not name.endswith("."):
            host_address(name)
            return value
    except ValueError:
        pass
    raise ValueError("must be a host's name without http:// and port; write it as pi.local or *.example.org")


HostPattern = Annotated[str, Field(max_length=253), AfterValidator(_host_pattern)]


class Backend(Settings):
    """The mail assistant itself."""

    image: ImageName | None = Field(
        default=None,
        description="A ready-made image, by digest or tag. Without it: built from apps/mail-assistant, pushed to "
        "`registry` or, without one, built on the machine itself.",
    )
    registry: ImageName | None = Field(
        default=None,
        description="Name under which the image is pushed once it is built, as registry.example.org/mail-assistant.",
    )
    platforms: Annotated[tuple[Literal["linux/arm64", "linux/amd64"], ...], AfterValidator(each_once)] = Field(
        default=("linux/arm64", "linux/amd64"), min_length=1, description="Processors that a pushed image is built for."
    )
    port: Port = Field(default=BACKEND_PORT, description="Port of the machine on which the pages are published.")
    addresses: IpAddresses = Field(
        default=(IPv4Address("0.0.0.0"),), min_length=1, description="Addresses of the machine to publish on."
    )
    allowed_hosts: Annotated[tuple[HostPattern, ...], AfterValidator(_names_once)] = Field(
        default=(),
        description="Names under which the pages are visited, as pi.local or *.example.org, beside localhost and plain "
        "addresses. To any other it does not answer.",
    )
    sign_in: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether visitors give `core-access-password`; auto: unless every address is a loopback one.",
    )
    memory: Memory = Field(default="512M", description="The most memory it may use.")
    log_level: LogLevel = Field(default="INFO", description="How much it logs.")
    connect_attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="How often it tries to reach its database at start."
    )
    connect_delay: Annotated[int, Field(ge=0, le=60)] = Field(
        default=2, description="Seconds between the first two of these tries; later ones wait longer, up to 10."
    )

    @property
    def needs_password(self) -> bool:
        """Whether the pages have to ask for a password."""
        others = any(not address.is_loopback for address in self.addresses)
        return self.sign_in == "always" or (self.sign_in == "auto" and others)

    def rules(self) -> Rules:
        return (self._image_has_one_source, self._registry_is_a_name)

    def _image_has_one_source(self) -> Iterator[Disagreement]:
        if self.image and self.registry:
            yield Disagreement("", "image and registry each say where the image comes from; remove one of them")

    def _registry_is_a_name(self) -> Iterator[Disagreement]:
        if self.registry and ("@" in self.registry or ":" in self.registry.rpartition("/")[2]):
            rule = "registry must have no digest and no tag, which come with the build; write the name alone"
            yield Disagreement("", rule)


class Postgres(Settings):
    """The database."""

    image: Annotated[ImageName, AfterValidator(_postgres_image)] = Field(
        default="docker.io/library/postgres:17", description="Its image; the tag tells the major version."
    )
    user: DatabaseName = Field(default="mail_assistant", description="The database's user.")
    database: DatabaseName = Field(default="mail_assistant", description="The database's name.")
    memory: Memory = Field(default="512M", description="The most memory it may use.")


class Ollama(Settings):
    """The server of language models."""

    image: ImageName = Field(default="docker.io/ollama/ollama:latest", description="Its image.")
    memory: Memory = Field(default="1G", description="The most memory it may use.")
    url: HttpAddressFromContainer | None = Field(
        default=None, description="Another Ollama, used where `ai` is off. Without it and `ai`: no AI features."
    )


class Backup(Settings):
    """A dump of the database each night, on the machine itself."""

    enabled: bool = Field(default=True, description="Whether there is a nightly dump.")
    at: Annotated[str, matches(r"([01][0-9]|2[0-3]):[0-5][0-9]", "must be a time of day; write it as '03:15'")] = Field(
        default="03:15", description="When, by the machine's clock."
    )
    keep: Annotated[int, Field(ge=1, le=366)] = Field(default=7, description="How many dumps are kept.")
    folder: OwnFolder = Field(
        default=PurePosixPath("/var/backups/mail-assistant"), description="Where on the machine they are."
    )
    restore_from: PlainFile | None = Field(
        default=None,
        description="What a new, empty database is filled with: a dump on the machine, or a folder of them, of which "
        "the newest. A database that holds something is left as it is.",
    )


class Core(SystemSettings):
    """The core stack: the mail assistant, its database and, with `ai`, its server of language models."""

    SECRETS: ClassVar[Mapping[str, str]] = {
        "core-postgres-password": "Password of the mail assistant's database.",
        "core-secret-key": "Key with which the mail assistant signs its forms: 32 random characters or more.",
        "core-access-password": "Password that the mail assistant's pages ask for: 12 characters or more.",
        "core-gmail-client-id": "Gmail: id of the OAuth client.",
        "core-gmail-client-secret": "Gmail: secret of the OAuth client.",
        "core-gmail-refresh-token": "Gmail: refresh token of the mailbox.",
    }

    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "core-postgres-password": one_line,
        "core-secret-key": at_least(32),
        "core-access-password": at_least(12),
        **dict.fromkeys(("core-gmail-client-id", "core-gmail-client-secret", "core-gmail-refresh-token"), one_line),
    }
    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {"postgres": "core-postgres-password"}

    host: HostName = Field(description="The machine: a key of `hearth:hosts`. It must have Docker.")
    name: NamePrefix = Field(default="mail-assistant", description="What names of containers and volumes begin with.")
    ai: bool = Field(default=False, description="Whether Ollama runs too.")
    data: Literal["keep", "remove"] = Field(
        default="keep", description="Whether destroy leaves the volumes of database and models, or removes them."
    )
    protect_data: bool = Field(
        default=False, description="Whether Pulumi refuses to destroy what holds data until this is off again."
    )
    start_timeout: Annotated[int, Field(ge=10, le=3600)] = Field(
        default=180, description="Seconds that a container may take to become healthy."
    )
    backend: Backend = Field(default_factory=Backend, description="The mail assistant.")
    postgres: Postgres = Field(default_factory=Postgres, description="The database.")
    ollama: Ollama = Field(default_factory=Ollama, description="The server of language models.")
    backup: Backup = Field(default_factory=Backup, description="The nightly dump.")

    def rules(self) -> Rules:
        return (self._one_ollama, self._units_of_its_own)

    def _units_of_its_own(self) -> Iterator[Disagreement]:
        if self.name == "dpkg-db" and self.backup.enabled:
            rule = "must not be dpkg-db, as dpkg-db-backup.timer is dpkg's own nightly dump; choose another name"
            yield Disagreement("name", rule, self.name)

    def _one_ollama(self) -> Iterator[Disagreement]:
        if self.ai and self.ollama.url:
            rule = "ai runs an Ollama and ollama.url names another; remove ollama.url, or turn ai off"
            yield Disagreement("", rule)

    def listeners(self) -> Sequence[Listener]:
        """Return the pages' port."""
        return (Listener("backend.port", self.host, self.backend.port, self.backend.addresses),)

    def holdings(self) -> Sequence[Holding]:
        """Return where the dumps are, and the nightly dump's units."""
        if not self.backup.enabled:
            return ()
        units = PurePosixPath("/etc/systemd/system")
        return where_known(
            lambda: Holding("backup.folder", self.host, self.backup.folder),
            lambda: Holding("name", self.host, units / f"{self.name}-backup.service"),
            lambda: Holding("name", self.host, units / f"{self.name}-backup.timer"),
        )

    def required_secrets(self) -> Mapping[str, str]:
        """Return the database's password and the key of the forms; the pages' own where others can reach them."""
        needed = ["core-postgres-password", "core-secret-key"]
        if self.backend.needs_password:
            needed.append("core-access-password")
        return dict.fromkeys(needed, "core")
