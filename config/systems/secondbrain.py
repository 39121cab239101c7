"""Settings of the SecondBrain host: `hearth:secondbrain`. Its secrets are keys of their own (SecondBrain.SECRETS)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from config.model import AccountName, Address, HostName, ImageName, IpAddress, MachinePath, Port, Settings, matches
from config.system import SystemSettings

LOWEST_SUBORDINATE_ID = 65536
SMALLEST_RANGE = 65536


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
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]{1,3})?", value)
    if not match:
        raise ValueError("must be a version; write it as '5.4', in quotes")
    if (int(match[1]), int(match[2])) < (4, 4):
        raise ValueError("must be 4.4 or later, the first that knows Quadlet; install a newer podman, or use podmgr")
    return value


def _mount_point(value: PurePosixPath) -> PurePosixPath:
    if len(value.parts) < 3:
        raise ValueError("must lie in a folder of its own below the root, as /mnt/share; choose such a path")
    if any(character.isspace() for character in str(value)):
        raise ValueError("must hold no blanks, as it stands in /etc/fstab and in a unit's name; choose another path")
    return value


EnvironmentName = Annotated[str, matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name; write it as LOG_LEVEL")]
EnvironmentValue = Annotated[str, matches(r"[^\n\r\x00]*", "must be one line; write it without line breaks")]
Loopback = (IPv4Address("127.0.0.1"),)


class Account(Settings):
    """The service account that everything runs as."""

    name: AccountName = Field(default="secondbrain", description="Name of the account, a system user without a shell.")
    home: MachinePath = Field(default=PurePosixPath("/var/lib/secondbrain"), description="Its home.")
    subordinate_ids: Annotated[str, AfterValidator(_subordinate_range)] = Field(
        default="auto",
        description="Subordinate ids for rootless containers: `auto` (a free range) or START:COUNT. A range that "
        "overlaps another user's is refused.",
    )
    private_homes: tuple[AccountName, ...] = Field(
        default=(),
        description="Users whose homes (/home/NAME) are closed to all others, mode 0700, so that the account can't "
        "read them.",
    )


class Migrate(Settings):
    """Containers of another user that this system takes the place of."""

    user: AccountName = Field(description="The user who runs the old containers.")
    backend_container: str = Field(default="secondbrain-backend", description="Name of the old backend container.")
    ollama_container: str = Field(default="secondbrain-ollama", description="Name of the old ollama container.")
    remove_old: bool = Field(
        default=False,
        description="Whether the old containers are removed once the new ones are healthy. Otherwise they are only "
        "stopped, and destroy starts them again.",
    )
    remove_image: bool = Field(
        default=False, description="Whether the old user's copy of the backend's image goes with them."
    )

    @model_validator(mode="after")
    def _image_goes_last(self) -> Migrate:
        if self.remove_image and not self.remove_old:
            raise ValueError("remove-image needs remove-old, as containers still use the image; set both or neither")
        return self


class Pod(Settings):
    """The two containers: ollama, then the backend."""

    name: AccountName = Field(
        default="secondbrain", description="Name of the pod; containers are NAME-ollama, NAME-backend."
    )
    podman_version: Annotated[str, AfterValidator(_podman_version)] | None = Field(
        default=None,
        description="Podman's version on the machine, which decides the units' form. Without it: asked there.",
    )
    ollama_image: ImageName = Field(default="docker.io/ollama/ollama:latest", description="Image of ollama.")
    ollama_port: Port = Field(default=11434, description="Port on which ollama is published.")
    ollama_addresses: tuple[IpAddress, ...] = Field(
        default=Loopback, description="Addresses of the machine on which ollama is published; none: not at all."
    )
    backend_image: ImageName | None = Field(
        default=None, description="Image of the backend. Without it: the image of the old container (`migrate`)."
    )
    backend_archive: MachinePath | None = Field(
        default=None, description="Archive on the machine to load the backend's image from, instead of pulling it."
    )
    backend_port: Port | None = Field(
        default=None, description="Port on which the backend listens. Without it: the old container's (`migrate`)."
    )
    backend_addresses: tuple[IpAddress, ...] = Field(
        default=Loopback, min_length=1, description="Addresses of the machine on which the backend is published."
    )
    backend_health_path: Annotated[
        str, matches(r"/[A-Za-z0-9._~/=&?-]*", "must be a URL's path of plain characters; write it as /health")
    ] = Field(default="/health", description="What the health check asks the backend for; it must answer 2xx or 3xx.")
    backend_health_command: EnvironmentValue | None = Field(
        default=None,
        description="Command in the backend's container that says whether it is healthy. Without it: an HTTP request "
        "by curl, wget or Python, whichever the image has.",
    )
    backend_environment: dict[EnvironmentName, EnvironmentValue] = Field(
        default_factory=dict, description="Environment of the backend. Nothing secret: see the secret keys."
    )
    start_timeout: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=90, description="Seconds that the containers may take to become healthy."
    )

    @model_validator(mode="after")
    def _one_service_per_port(self) -> Pod:
        if self.backend_port == self.ollama_port:
            raise ValueError(f"backend-port and ollama-port are both {self.ollama_port}; give them different ports")
        return self


class Share(Settings):
    """The folder that a Windows machine shares."""

    server: Address = Field(description="The Windows machine: name or address.")
    name: Annotated[
        str,
        matches(
            r"[^\s,/\\#\"']+", "must be a share's name without blanks, commas, quotes or slashes; rename the share"
        ),
    ] = Field(description="Name of the share.")
    mount_point: Annotated[MachinePath, AfterValidator(_mount_point)] = Field(
        default=PurePosixPath("/mnt/PersonalAssistantHub"), description="Where it is mounted, and seen by the backend."
    )
    credentials_file: MachinePath = Field(
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

    url: Annotated[
        str,
        matches(
            r"(https?|git|ssh|file)://\S+|[\w.-]+@[\w.-]+:\S+|/\S+",
            "must be a git address; write it as https://example.org/podmgr.git",
        ),
    ] = Field(
        default="https://github.com/Little-Town-Labs/podman-systemd-manager.git", description="Its git repository."
    )
    revision: Annotated[
        str, matches(r"[A-Za-z0-9][A-Za-z0-9._/-]*", "must be a branch, a tag or a commit; write it as main")
    ] = Field(default="main", description="Branch, tag or commit.")


class SecondBrain(SystemSettings):
    """The SecondBrain host: a service account, its pod of containers, and the Windows share they read."""

    SECRETS: ClassVar[Mapping[str, str]] = {
        "secondbrain-smb-username": "User name for the Windows share.",
        "secondbrain-smb-password": "Password for the Windows share.",
        "secondbrain-smb-domain": "Domain of that user. Without it: WORKGROUP.",
        "secondbrain-backend-environment": "Environment of the backend that must stay secret: lines of NAME=value.",
    }

    host: HostName = Field(description="The machine: a key of `hearth:hosts`.")
    prerequisites: Literal["install", "require"] = Field(
        default="install", description="Whether missing packages are installed, or only named (and nothing is done)."
    )
    data: Literal["keep", "remove"] = Field(
        default="keep", description="Whether destroy leaves models and home in place, or removes them."
    )
    protect_data: bool = Field(
        default=False, description="Whether Pulumi refuses to destroy what holds data until this is off again."
    )
    manager: Literal["quadlet", "podmgr"] = Field(default="quadlet", description="What turns the pod into units.")
    account: Account = Field(default_factory=Account, description="The service account.")
    migrate: Migrate | None = Field(default=None, description="The old user's containers. Without it: there are none.")
    pod: Pod = Field(default_factory=Pod, description="The containers.")
    share: Share | None = Field(default=None, description="The Windows share. Without it: no share.")
    podmgr: Podmgr = Field(default_factory=Podmgr, description="Where podmgr comes from.")

    @model_validator(mode="after")
    def _backend_is_known(self) -> SecondBrain:
        missing = [
            key
            for key, value in (("backend-image", self.pod.backend_image), ("backend-port", self.pod.backend_port))
            if value is None
        ]
        if missing and self.migrate is None:
            keys = " and ".join(f"pod.{key}" for key in missing)
            raise ValueError(f"must give {keys}, as no old container (migrate) tells; add what is missing")
        return self

    @model_validator(mode="after")
    def _image_has_one_source(self) -> SecondBrain:
        if self.pod.backend_archive and self.migrate:
            raise ValueError(
                "pod.backend-archive and migrate each say where the backend's image comes from; remove one of them"
            )
        if self.pod.backend_archive and self.pod.backend_image is None:
            raise ValueError("pod.backend-archive needs pod.backend-image, the name of the image in it; add it")
        return self

    @model_validator(mode="after")
    def _old_user_is_another(self) -> SecondBrain:
        if self.migrate and self.migrate.user == self.account.name:
            raise ValueError("migrate.user must be another user than account.name; name the old user")
        return self

    @model_validator(mode="after")
    def _own_home_is_open_to_itself(self) -> SecondBrain:
        if self.account.name in self.account.private_homes:
            raise ValueError("account.private-homes must not name the account itself; remove it from the list")
        return self

    def required_secrets(self) -> Mapping[str, str]:
        """User and password of the Windows share, where there is one."""
        keys = ("secondbrain-smb-username", "secondbrain-smb-password") if self.share else ()
        return dict.fromkeys(keys, "secondbrain.share")
