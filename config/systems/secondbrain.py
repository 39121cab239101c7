"""Settings of the SecondBrain host: `hearth:secondbrain`. Its secrets are keys of their own (SecondBrain.SECRETS)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from config import podman
from config.accounts import LoginName, OwnAccountName
from config.hosts import Machines
from config.model import (
    NO_CONTROL,
    Address,
    ContainerName,
    Disagreement,
    HostName,
    ImageName,
    IpAddresses,
    NamePrefix,
    Port,
    Settings,
    matches,
)
from config.places import CredentialsFile, MountPlace, OwnHome, ReadableFile, inside, someones_home
from config.system import Listener, SystemSettings, environment_lines, one_line

PODMGR_FOLDER = PurePosixPath("/opt/podmgr")
"""Where podmgr is installed: the task list says so."""
LOWEST_ROOTLESS_PORT = 1024
"""ip(7): below it a port is root's, and the containers are not."""
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
    version = podman.version_of(value)
    if version is None:
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
    ):
        raise ValueError(
            "must be a share's name: up to 80 characters, none of them a slash, a comma, a double quote or one of "
            "[ ] : | < > + = ; * ?, and no blank at its ends; rename the share"
        )
    return value


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"must name each user once, and {', '.join(twice)} stands there twice; remove one of them")
    return names


EnvironmentName = Annotated[str, matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name; write it as LOG_LEVEL")]
OneLine = Annotated[
    str, matches(NO_CONTROL, "must be one line without control characters; write it without line breaks")
]
RootlessPort = Annotated[int, Field(ge=LOWEST_ROOTLESS_PORT, le=65535)]
"""A port that an account without rights may publish on."""
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
    private_homes: Annotated[tuple[LoginName, ...], AfterValidator(_different)] = Field(
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

    @model_validator(mode="after")
    def _image_goes_last(self) -> Migrate:
        if self.remove_image and not self.remove_old:
            raise ValueError("remove-image needs remove-old, as containers still use the image; set both or neither")
        if self.backend_container == self.ollama_container:
            raise ValueError("backend-container and ollama-container are the same one; name each by its own name")
        return self


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
    ollama_port: RootlessPort = Field(default=11434, description="Port on which ollama is published.")
    ollama_addresses: IpAddresses = Field(
        default=Loopback, description="Addresses of the machine on which ollama is published; none: not at all."
    )
    backend_image: ImageName | None = Field(
        default=None, description="Image of the backend. Without it: the image of the old container (`migrate`)."
    )
    backend_archive: ReadableFile | None = Field(
        default=None, description="Archive on the machine to load the backend's image from, instead of pulling it."
    )
    backend_port: RootlessPort | None = Field(
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
    backend_environment: dict[EnvironmentName, OneLine] = Field(
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

    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "secondbrain-smb-username": one_line,
        "secondbrain-smb-password": one_line,
        "secondbrain-smb-domain": one_line,
        "secondbrain-backend-environment": environment_lines,
    }
    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {"pod.backend-environment": "secondbrain-backend-environment"}

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
    account: ServiceAccount = Field(default_factory=ServiceAccount, description="The service account.")
    migrate: Migrate | None = Field(default=None, description="The old user's containers. Without it: there are none.")
    pod: Pod = Field(default_factory=Pod, description="The containers.")
    share: Share | None = Field(default=None, description="The Windows share. Without it: no share.")
    podmgr: Podmgr = Field(default_factory=Podmgr, description="Where podmgr comes from.")

    def disagreements(self) -> Iterator[Disagreement]:
        yield from self._of_the_image()
        yield from self._of_accounts()
        yield from self._of_places()

    def _of_the_image(self) -> Iterator[Disagreement]:
        missing = [
            key
            for key, value in (("backend-image", self.pod.backend_image), ("backend-port", self.pod.backend_port))
            if value is None
        ]
        if missing and self.migrate is None:
            keys = " and ".join(f"pod.{key}" for key in missing)
            yield Disagreement("", f"must give {keys}, as no old container (migrate) tells; add what is missing")
        if self.pod.backend_archive and self.migrate:
            rule = "pod.backend-archive and migrate each say where the backend's image comes from; remove one of them"
            yield Disagreement("", rule)
        elif self.pod.backend_archive and self.pod.backend_image is None:
            yield Disagreement("", "pod.backend-archive needs pod.backend-image, the name of the image in it; add it")

    def _of_accounts(self) -> Iterator[Disagreement]:
        account, migrate = self.account, self.migrate
        if migrate and migrate.user == account.name:
            yield Disagreement(
                "migrate.user", "must be another user than account.name; name the old user", migrate.user
            )
        if account.name in account.private_homes:
            rule = "must not name the account itself; remove it from the list"
            yield Disagreement("account.private-homes", rule, account.name)
        if "root" in account.private_homes:
            yield Disagreement("account.private-homes", "must not name root, whose home is closed; remove it", "root")
        if someones_home(account.home) not in ("", account.name):
            rule = "must not be another user's home, nor lie in it; choose another place, as /var/lib/secondbrain"
            yield Disagreement("account.home", rule, str(account.home))

    def _of_places(self) -> Iterator[Disagreement]:
        """Yield the paths that would lie in one another.

        The account could rewrite what is root's, or a mount would hide it.
        """
        home = self.account.home
        rule = "must lie apart from {}, and one is in the other; choose a place of its own"
        if self.manager == "podmgr" and (inside(home, PODMGR_FOLDER) or inside(PODMGR_FOLDER, home)):
            yield Disagreement("account.home", rule.format(f"podmgr's {PODMGR_FOLDER}"), str(home))
        if self.share is None:
            return
        mount, file = self.share.mount_point, self.share.credentials_file
        for folder, name in ((home, f"account.home ({home})"), (PODMGR_FOLDER, f"podmgr's {PODMGR_FOLDER}")):
            if inside(mount, folder) or inside(folder, mount):
                yield Disagreement("share.mount-point", rule.format(name), str(mount))
            if inside(file, folder) or inside(folder, file):
                yield Disagreement("share.credentials-file", rule.format(name), str(file))
        if inside(file, mount) or inside(mount, file):
            yield Disagreement("share.credentials-file", rule.format(f"share.mount-point ({mount})"), str(file))

    def against(self, machines: Machines) -> Iterator[Disagreement]:
        """Yield the mistake where the account is the one that Hearth logs in as."""
        login = machines.login(self.host)
        if login == self.account.name:
            rule = (
                f"must not be who logs in on {self.host} (hearth:hosts), who would be locked out; choose another name"
            )
            yield Disagreement("account.name", rule, login)

    def listeners(self) -> Sequence[Listener]:
        """Return both containers' ports."""
        pod = self.pod
        found = [Listener("pod.ollama-port", self.host, pod.ollama_port, pod.ollama_addresses)]
        if pod.backend_port is not None:
            found.append(Listener("pod.backend-port", self.host, pod.backend_port, pod.backend_addresses))
        return found

    def required_secrets(self) -> Mapping[str, str]:
        """User and password of the Windows share, where there is one."""
        keys = ("secondbrain-smb-username", "secondbrain-smb-password") if self.share else ()
        return dict.fromkeys(keys, "secondbrain.share")
