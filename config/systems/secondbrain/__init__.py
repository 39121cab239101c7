"""Settings of the SecondBrain host: `hearth:secondbrain`. Its secrets are keys of their own (SecondBrain.SECRETS)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from config.hosts import Machines
from config.model import Disagreement, HostName
from config.places import inside, someones_home
from config.secret_rules import environment_lines, one_line
from config.system import Holding, Listener, SystemSettings
from config.systems.secondbrain import parts

PODMGR_FOLDER = PurePosixPath("/opt/podmgr")
"""Where podmgr is installed: the task list says so."""


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

    def holdings(self) -> Sequence[Holding]:
        """Return the account and its home, where the share is mounted, and its credentials."""
        account = self.account
        found = [
            Holding("account.name", self.host, account.name),
            Holding("account.home", self.host, account.home),
        ]
        if self.manager == "podmgr":
            found.append(Holding("", self.host, PODMGR_FOLDER))
        if self.share is not None:
            found.append(Holding("share.mount-point", self.host, self.share.mount_point))
            found.append(Holding("share.credentials-file", self.host, self.share.credentials_file))
        return found

    def required_secrets(self) -> Mapping[str, str]:
        """User and password of the Windows share, where there is one."""
        keys = ("secondbrain-smb-username", "secondbrain-smb-password") if self.share else ()
        return dict.fromkeys(keys, "secondbrain.share")
