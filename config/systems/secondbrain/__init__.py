"""Settings of the SecondBrain host: `hearth:secondbrain`. Its secrets are keys of their own (SecondBrain.SECRETS)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from config.hosts import Machines
from config.model import Disagreement, HostName, Rules, where_known
from config.places import inside, someones_home
from config.secret_rules import environment_lines, one_line
from config.system import Holding, Listener, SystemSettings
from config.systems.secondbrain import parts

PODMGR_FOLDER = PurePosixPath("/opt/podmgr")
"""Where podmgr is installed: the task list says so."""


def _apart(key: str, path: PurePosixPath, name: str, other: PurePosixPath) -> Iterator[Disagreement]:
    """Yield where a path lies in another, or around it."""
    if inside(path, other) or inside(other, path):
        whose = f"{name} {other}" if name.endswith("'s") else f"{name} ({other})"
        rule = f"must lie apart from {whose}, and one is in the other; choose a place of its own"
        yield Disagreement(key, rule, str(path))


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
    account: parts.ServiceAccount = Field(default_factory=parts.ServiceAccount, description="The service account.")
    migrate: parts.Migrate | None = Field(
        default=None, description="The old user's containers. Without it: there are none."
    )
    pod: parts.Pod = Field(default_factory=parts.Pod, description="The containers.")
    share: parts.Share | None = Field(default=None, description="The Windows share. Without it: no share.")
    podmgr: parts.Podmgr = Field(default_factory=parts.Podmgr, description="Where podmgr comes from.")

    def rules(self) -> Rules:
        return (
            self._of_the_image,
            self._of_the_archive,
            self._of_the_old_user,
            self._of_private_homes,
            self._of_the_home,
            self._of_podmgr,
            self._of_the_health_checks,
            self._of_the_mount,
            self._of_the_credentials,
            self._of_mount_and_credentials,
        )

    def _of_the_image(self) -> Iterator[Disagreement]:
        missing = [
            key
            for key, value in (("backend-image", self.pod.backend_image), ("backend-port", self.pod.backend_port))
            if value is None
        ]
        if missing and self.migrate is None:
            keys = " and ".join(f"pod.{key}" for key in missing)
            yield Disagreement("", f"must give {keys}, as no old container (migrate) tells; add what is missing")

    def _of_the_archive(self) -> Iterator[Disagreement]:
        if self.pod.backend_archive and self.migrate:
            rule = "pod.backend-archive and migrate each say where the backend's image comes from; remove one of them"
            yield Disagreement("", rule)
        elif self.pod.backend_archive and self.pod.backend_image is None:
            yield Disagreement("", "pod.backend-archive needs pod.backend-image, the name of the image in it; add it")

    def _of_the_old_user(self) -> Iterator[Disagreement]:
        old = self.migrate.user if self.migrate else None
        if old is not None and old == self.account.name:
            yield Disagreement("migrate.user", "must be another user than account.name; name the old user", old)

    def _of_private_homes(self) -> Iterator[Disagreement]:
        account = self.account
        if "root" in account.private_homes:
            yield Disagreement("account.private-homes", "must not name root, whose home is closed; remove it", "root")
        if account.name in account.private_homes:
            rule = "must not name the account itself; remove it from the list"
            yield Disagreement("account.private-homes", rule, account.name)

    def _of_the_home(self) -> Iterator[Disagreement]:
        account = self.account
        if someones_home(account.home) not in ("", account.name):
            rule = "must not be another user's home, nor lie in it; choose another place, as /var/lib/secondbrain"
            yield Disagreement("account.home", rule, str(account.home))

    # Paths that would lie in one another: the account could rewrite what is root's, or a mount would hide it.

    def _of_podmgr(self) -> Iterator[Disagreement]:
        if self.manager == "podmgr":
            yield from _apart("account.home", self.account.home, "podmgr's", PODMGR_FOLDER)

    def _of_the_health_checks(self) -> Iterator[Disagreement]:
        interval = self.pod.health_interval
        if self.manager == "podmgr" and interval != parts.Pod.model_fields["health_interval"].default:
            rule = "is for Quadlet's units, and podmgr takes no interval; leave it out"
            yield Disagreement("pod.health-interval", rule, interval)

    def _of_the_mount(self) -> Iterator[Disagreement]:
        if self.share is not None:
            yield from _apart("share.mount-point", self.share.mount_point, "podmgr's", PODMGR_FOLDER)
            yield from _apart("share.mount-point", self.share.mount_point, "account.home", self.account.home)

    def _of_the_credentials(self) -> Iterator[Disagreement]:
        if self.share is not None:
            yield from _apart("share.credentials-file", self.share.credentials_file, "podmgr's", PODMGR_FOLDER)
            yield from _apart("share.credentials-file", self.share.credentials_file, "account.home", self.account.home)

    def _of_mount_and_credentials(self) -> Iterator[Disagreement]:
        if self.share is not None:
            file, mount = self.share.credentials_file, self.share.mount_point
            yield from _apart("share.credentials-file", file, "share.mount-point", mount)

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
        found = where_known(
            lambda: ("pod.ollama-port", pod.ollama_port, pod.ollama_addresses),
            lambda: ("pod.backend-port", pod.backend_port, pod.backend_addresses),
        )
        by_port = {port: (key, addresses) for key, port, addresses in reversed(found)}  # one twice is said by the pod
        return [Listener(key, self.host, port, addresses) for port, (key, addresses) in by_port.items() if port]

    def holdings(self) -> Sequence[Holding]:
        """Return the account and its home, where the share is mounted, and its credentials."""
        found = where_known(
            lambda: ("account.name", self.account.name),
            lambda: ("account.home", self.account.home),
            lambda: ("", PODMGR_FOLDER if self.manager == "podmgr" else None),
            lambda: ("share.mount-point", self.share.mount_point if self.share else None),
            lambda: ("share.credentials-file", self.share.credentials_file if self.share else None),
        )
        return [Holding(key, self.host, what) for key, what in found if what is not None]

    def required_secrets(self) -> Mapping[str, str]:
        """User and password of the Windows share, where there is one."""
        keys = ("secondbrain-smb-username", "secondbrain-smb-password") if self.share else ()
        return dict.fromkeys(keys, "secondbrain.share")
