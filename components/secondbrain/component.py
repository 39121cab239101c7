"""The SecondBrain host: a service account, its pod of containers (ollama, then the backend), and the Windows share.

Its containers are described in containers.py and kept by pod.py; migration.py has the old user's, share.py the share.
docs/systems/secondbrain.md tells what it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.blocks.quadlet import Form, Group, form_for
from components.secondbrain.containers import described
from components.secondbrain.deployed import DeployedSecondBrain
from components.secondbrain.migration import Migration
from components.secondbrain.pod import Owner, PodArgs, PodImages, PodmgrPod, QuadletPod
from components.secondbrain.prerequisites import Podman
from components.secondbrain.share import ShareAccess, WindowsShare
from components.system import SystemArgs
from config.addresses import IpAddress, asked_at, bracketed
from config.systems.secondbrain import SecondBrain as Settings
from providers.resources.host import ContainerImage, Directory, Unit, User

ONLINE_UNIT = """\
[Unit]
Description=Have the network online before SecondBrain's containers start
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true

[Install]
WantedBy=multi-user.target
"""
"""Rootless Quadlet units wait for network-online.target, which nothing else may start: podman-systemd.unit(5)."""


SecondBrainArgs = SystemArgs[Settings]


class SecondBrain(pulumi.ComponentResource):
    """A SecondBrain host. It only composes resources; every one of them is on the machine `settings.host`.

    Does not manage the Windows machine, firewalls, models in ollama, or who may reach the published ports.
    """

    backend_url: Output[str]
    """Where the backend answers, on the first of its addresses."""
    account_uid: Output[int]
    subordinate_range: Output[str]
    """The account's subordinate ids, as START:COUNT."""
    units: Output[Sequence[str]]
    """The services that make up the pod, of the account's own manager; empty under podmgr."""
    deployed: Output[Mapping[str, Any]]
    """What the checks need to know."""

    def __init__(self, name: str, args: SecondBrainArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("hearth:secondbrain:SecondBrain", name, None, opts)
        self._name, self._settings = name, args.settings
        settings, secret = args.settings, args.secrets.get("secondbrain-backend-environment")
        podman = Podman(
            name,
            host=settings.host,
            install=settings.prerequisites == "install",
            version=settings.pod.podman_version,
            podmgr=settings.manager == "podmgr",
            share=settings.share is not None,
            parent=self,
        )
        self._gate = podman.gate
        account = self._account(podman)
        self._private_homes()
        online = Unit(
            f"{name}-online",
            host=settings.host,
            name=f"{settings.account.name}-online.service",
            text=ONLINE_UNIT,
            enabled=True,
            running=True,
            opts=self._options(),
        )
        models = Directory(
            f"{name}-models",
            host=settings.host,
            path=f"{settings.account.home}/ollama",
            mode="0700",
            owner=account.name,
            group=account.name,
            purge=settings.data == "remove",
            opts=self._options(account, protect=settings.protect_data),
        )
        migration = self._migration(podman)
        images = self._images(account, migration)
        share = self._share(account, args.secrets, online)
        both = [images.ollama, images.backend]
        ready: list[pulumi.Resource] = [online, models, *both, *([share.mount_point] if share else [])]
        ready += self._network_folder()
        if migration:
            ready.append(migration.stop(after=both))
        group = Output.all(self._backend_port(migration), self._backend_image(migration)).apply(
            lambda found: described(settings, found[0], found[1], secret_environment=secret is not None)
        )
        pod_args = PodArgs(
            settings=settings.pod,
            owner=Owner(settings.host, account, settings.account.home),
            group=group,
            images=images,
            podman=podman,
            ready=ready,
            secret_environment=secret,
        )
        if settings.manager == "quadlet":
            pod = QuadletPod(name, pod_args, parent=self)
        else:
            pod = PodmgrPod(name, pod_args, settings.podmgr, parent=self)
        if migration:
            migration.remove(after=pod.healthy)
        self._outputs(account, group, pod.units)

    def _options(self, *after: pulumi.Resource, protect: bool | None = None) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=[*after, *self._gate] or None, protect=protect or None)

    def _account(self, podman: Podman) -> User:
        account = self._settings.account
        return User(
            f"{self._name}-account",
            host=self._settings.host,
            name=account.name,
            system=True,
            home=str(account.home),
            home_mode="0700",
            home_owner=account.name,
            shell="/usr/sbin/nologin",
            groups=[],
            password="none",
            expires="never",
            subordinate_ids=account.subordinate_ids,
            linger=True,
            remove_home=self._settings.data == "remove",
            # Its own manager starts with linger, and must find D-Bus installed.
            opts=self._options(*podman.base, protect=self._settings.protect_data),
        )

    def _migration(self, podman: Podman) -> Migration | None:
        settings = self._settings
        if settings.migrate is None:
            return None
        return Migration(
            self._name,
            settings.migrate,
            settings.pod,
            host=settings.host,
            account=settings.account.name,
            after=podman.base,
            parent=self,
        )

    def _share(self, account: User, secrets: Mapping[str, Input[str]], online: Unit) -> WindowsShare | None:
        settings = self._settings
        if settings.share is None:
            return None
        return WindowsShare(
            self._name,
            settings.share,
            ShareAccess.of(secrets),
            host=settings.host,
            account=account,
            install=settings.prerequisites == "install",
            gate=self._gate,
            after=[online],
            parent=self,
        )

    def _network_folder(self) -> list[Directory]:
        """/var/lib/cni, where the home is below /var/lib and podman may be of version 4.

        That podman lays a folder of its own over /var/lib/cni for a rootless network, and without it over the first
        parent that is there: over /var/lib, and the home is gone from its sight with all networks in it
        (containers/podman#22227). podman's package has systemd-tmpfiles make the folder, but at a boot alone.
        """
        known = self._settings.pod.podman_version
        if self._settings.manager != "quadlet" or (known is not None and form_for(known) is not Form.NETWORK):
            return []
        if not self._settings.account.home.is_relative_to("/var/lib"):
            return []
        return [
            Directory(f"{self._name}-networks", host=self._settings.host, path="/var/lib/cni", opts=self._options())
        ]

    def _private_homes(self) -> None:
        for user in self._settings.account.private_homes:
            Directory(
                f"{self._name}-home-{user}",
                host=self._settings.host,
                path=f"/home/{user}",
                mode="0700",
                owner=user,
                group=user,
                opts=self._options(),
            )

    def _backend_port(self, migration: Migration | None) -> Input[int]:
        known = self._settings.pod.backend_port
        if known is None and migration is not None:
            return migration.port
        assert known is not None, "the settings' model asks for a port where there is no old container"
        return known

    def _backend_image(self, migration: Migration | None) -> Input[str]:
        known = self._settings.pod.backend_image
        if known is None and migration is not None:
            return migration.image
        assert known is not None, "the settings' model asks for an image where there is no old container"
        return known

    def _images(self, account: User, migration: Migration | None) -> PodImages:
        """Register the two images in the account's own store."""
        settings = self._settings
        source = "pull"
        if settings.migrate:
            source = f"user:{settings.migrate.user}"
        elif settings.pod.backend_archive:
            source = f"archive:{settings.pod.backend_archive}"
        after = [account, *migration.recorded] if migration else [account]

        def image(role: str, name: Input[str], source: str) -> ContainerImage:
            return ContainerImage(
                f"{self._name}-image-{role}",
                host=settings.host,
                name=name,
                user=account.name,
                source=source,
                opts=self._options(*after),
            )

        return PodImages(
            ollama=image("ollama", settings.pod.ollama_image, "pull"),
            backend=image("backend", self._backend_image(migration), source),
        )

    def _outputs(self, account: User, group: Output[Group], units: Output[Sequence[str]]) -> None:
        settings, pod = self._settings, self._settings.pod
        host = bracketed(asked_at(pod.backend_addresses[0]))
        port = group.apply(lambda found: found.container("backend").publications[0].port)
        self.backend_url = port.apply(lambda number: f"http://{host}:{number}")
        self.account_uid = account.uid
        # Numbers arrive as the protocol's only kind, and are whole.
        self.subordinate_range = Output.all(account.subordinate_start, account.subordinate_count).apply(
            lambda found: f"{int(found[0])}:{int(found[1])}"
        )
        self.units = units
        share = settings.share
        self.deployed = DeployedSecondBrain.output(
            host=settings.host,
            manager=settings.manager,
            account=settings.account.name,
            account_uid=account.uid,
            account_home=str(settings.account.home),
            subordinate_range=self.subordinate_range,
            pod=pod.name,
            units=units,
            start_timeout=pod.start_timeout,
            health_interval=pod.health_interval,
            backend_url=self.backend_url,
            health_path=pod.backend_health_path,
            ollama_url=_url(pod.ollama_addresses, pod.ollama_port),
            share=share
            and {
                "server": share.server,
                "name": share.name,
                **({"port": share.port} if share.port else {}),
                "mount_point": str(share.mount_point),
                "credentials_file": str(share.credentials_file),
            },
        )
        self.register_outputs(
            {
                "backend_url": self.backend_url,
                "account_uid": self.account_uid,
                "subordinate_range": self.subordinate_range,
                "units": self.units,
                "deployed": self.deployed,
            }
        )


def _url(addresses: Sequence[IpAddress], port: int) -> str | None:
    """Return where a port is published first; None where it is not."""
    if not addresses:
        return None
    return f"http://{bracketed(asked_at(addresses[0]))}:{port}"
