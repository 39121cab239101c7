"""The parts of the SecondBrain host's settings: account, old containers, pod, share, podmgr."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from config import podman
from config.accounts import LoginName, OwnAccountName, SomebodysName
from config.addresses import Address, IpAddresses
from config.git import GitAddress, GitRevision
from config.model import (
    NO_CONTROL,
    ContainerName,
    Disagreement,
    ImageName,
    NamePrefix,
    Port,
    Rules,
    Settings,
    UnprivilegedPort,
    each_once,
    matches,
)
from config.places import CredentialsFile, MountPlace, OwnHome, ReadableFile
from config.texts import no_password

LOWEST_SUBORDINATE_ID = 65536  # ids below are users' and services' own
SMALLEST_RANGE = 65536  # ids


def _subordinate_range(value: str) -> str:
    if value == "auto":
        return value
    match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", value)
    if not match:
        raise ValueError("must be `auto` or START:COUNT; write it as 100000:65536")
    start, count = int(match[1]), int(match[2])
    if start < LOWEST_SUBORDINATE_ID or start + count > 2**32:
        raise ValueError(
            f"must begin at {LOWEST_SUBORDINATE_ID} or above and end below 4294967296; choose another range"
        )
    if count < SMALLEST_RANGE:
        raise ValueError(f"must hold at least {SMALLEST_RANGE} ids, as images may use each of them; widen it")
    return value


def _podman_version(value: str) -> str:
    version = podman.version_of(value)
    if version is None or value != value.strip():
        raise ValueError("must be a version; write it as '5.4', in quotes")
    if version < podman.LOWEST:
        raise ValueError(
            "must be 4.6 or later, the first to wait for a healthy container; install a newer podman, or use podmgr"
        )
    return value


def _share_name(value: str) -> str:
    """[MS-FSCC] 2.1.6: up to 80 characters, none of these. A comma would end the name in mount.cifs's options."""
    if (
        not 1 <= len(value) <= 80
        or re.search(r'["/\\[\]:|<>+=;,*?]', value)
        or value != value.strip()
        or value in (".", "..")
        or value != unicodedata.normalize("NFC", value)  # Windows compares code units, and writes composed ones
    ):
        raise ValueError(
            "must be a share's name: up to 80 characters, none of them a slash, a comma, a double quote or one of "
            "[ ] : | < > + = * ? and ;, no blank at its ends, and no letter whose mark is a character of its own "
            "(Unicode NFC); rename the share, or type the name anew"
        )
    return value


EnvironmentName = Annotated[
    str,
    Field(max_length=255),
    matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name; write it as LOG_LEVEL"),
]
OneLine = Annotated[
    str,
    Field(max_length=65536),  # execve(2): one argument of a command has 128 KiB at most
    matches(NO_CONTROL, "must be one line without control or unseen characters; write it without line breaks"),
]
HealthPath = Annotated[
    str,
    Field(max_length=1024),
    matches(
        r"/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*",
        "must be a URL's path, all other characters as % and two digits (RFC 3986); write it as /health",
    ),
]
Loopback = (IPv4Address("127.0.0.1"),)


class ServiceAccount(Settings):
    """The service account that everything runs as."""

    name: OwnAccountName = Field(
        default="secondbrain", description="Name of the account, a system user without a shell."
    )
    home: OwnHome = Field(default=PurePosixPath("/var/lib/secondbrain"), description="Its home.")
    subordinate_ids: Annotated[str, AfterValidator(_subordinate_range)] = Field(
        default="auto",
        description="Subordinate ids for rootless containers: `auto` (a free range) or START:COUNT. A range that "
        "overlaps another user's is refused.",
    )
    private_homes: Annotated[tuple[SomebodysName, ...], AfterValidator(each_once)] = Field(
        default=(),
        description="Users whose homes (/home/NAME) are closed to all others, mode 0700, so that the account can't "
        "read them.",
    )


class Migrate(Settings):
    """Containers of another user that this system takes the place of."""

    user: LoginName = Field(description="The user who runs the old containers.")
    backend_container: ContainerName = Field(
        default="secondbrain-backend", description="Name of the old backend container."
    )
    ollama_container: ContainerName = Field(
        default="secondbrain-ollama", description="Name of the old ollama container."
    )
    remove_old: bool = Field(
        default=False,
        description="Whether the old containers are removed once the new ones are healthy. Otherwise they are only "
        "stopped, and destroy starts them again.",
    )
    remove_image: bool = Field(
        default=False, description="Whether the old user's copy of the backend's image goes with them."
    )

    def rules(self) -> Rules:
        return (self._image_goes_last, self._two_containers)

    def _image_goes_last(self) -> Iterator[Disagreement]:
        if self.remove_image and not self.remove_old:
            rule = "remove-image needs remove-old, as containers still use the image; set both or neither"
            yield Disagreement("", rule)

    def _two_containers(self) -> Iterator[Disagreement]:
        if self.backend_container == self.ollama_container:
            rule = "backend-container and ollama-container are the same one; name each by its own name"
            yield Disagreement("", rule)


class Pod(Settings):
    """The two containers: ollama, then the backend."""

    name: NamePrefix = Field(
        default="secondbrain", description="Name of the pod; containers are NAME-ollama, NAME-backend."
    )
    podman_version: Annotated[str, AfterValidator(_podman_version)] | None = Field(
        default=None,
        description="Podman's version on the machine, which decides the units' form. Without it: asked there.",
    )
    ollama_image: ImageName = Field(default="docker.io/ollama/ollama:latest", description="Image of ollama.")
    ollama_port: UnprivilegedPort = Field(default=11434, description="Port on which ollama is published.")
    ollama_addresses: IpAddresses = Field(
        default=Loopback, description="Addresses of the machine on which ollama is published; none: not at all."
    )
    backend_image: ImageName | None = Field(
        default=None, description="Image of the backend. Without it: the image of the old container (`migrate`)."
    )
    backend_archive: ReadableFile | None = Field(
        default=None, description="Archive on the machine to load the backend's image from, instead of pulling it."
    )
    backend_port: UnprivilegedPort | None = Field(
        default=None, description="Port on which the backend listens. Without it: the old container's (`migrate`)."
    )
    backend_addresses: IpAddresses = Field(
        default=Loopback, min_length=1, description="Addresses of the machine on which the backend is published."
    )
    backend_health_path: HealthPath = Field(
        default="/health", description="What the health check asks the backend for; it must answer 2xx or 3xx."
    )
    backend_health_command: OneLine | None = Field(
        default=None,
        description="Command in the backend's container that says whether it is healthy. Without it: an HTTP request "
        "by curl, wget or Python, whichever the image has.",
    )
    backend_environment: dict[EnvironmentName, Annotated[OneLine, AfterValidator(no_password)]] = Field(
        default_factory=dict, description="Environment of the backend. Nothing secret: see the secret keys."
    )
    start_timeout: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=90, description="Seconds that the containers may take to become healthy."
    )
    health_interval: Annotated[int, Field(ge=1, le=300)] = Field(
        default=5,
        description="Seconds between two health checks of a container. Each starts podman: make it longer on a slow "
        "machine. Not with podmgr.",
    )

    def rules(self) -> Rules:
        return (self._one_service_per_port,)

    def _one_service_per_port(self) -> Iterator[Disagreement]:
        if self.backend_port == self.ollama_port:
            rule = f"backend-port and ollama-port are both {self.ollama_port}; give them different ports"
            yield Disagreement("", rule)


class Share(Settings):
    """The folder that a Windows machine shares."""

    server: Address = Field(description="The Windows machine: name or address.")
    name: Annotated[OneLine, AfterValidator(_share_name)] = Field(description="Name of the share.")
    mount_point: MountPlace = Field(
        default=PurePosixPath("/mnt/PersonalAssistantHub"), description="Where it is mounted, and seen by the backend."
    )
    credentials_file: CredentialsFile = Field(
        default=PurePosixPath("/etc/samba/credentials.secondbrain"),
        description="File on the machine that holds user and password, for root alone.",
    )
    port: Port | None = Field(default=None, description="Port of the Windows machine's file service. Without it: 445.")
    read_only: bool = Field(
        default=True,
        description="Whether it is mounted read-only. Otherwise the backend may write to it too: a container's "
        "read-only view does not reach what is mounted after it has started.",
    )
    smbclient: bool = Field(
        default=False,
        description="Whether smbclient is installed too: the checks need it where the kernel has no CIFS.",
    )


class Podmgr(Settings):
    """Where podmgr comes from, for `manager: podmgr`."""

    url: GitAddress = Field(
        default="https://github.com/Little-Town-Labs/podman-systemd-manager.git", description="Its git repository."
    )
    revision: GitRevision = Field(default="main", description="Branch, tag or commit.")
