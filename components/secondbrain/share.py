"""The Windows share on the machine: packages, mount point, credentials, the line in /etc/fstab, the automount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.blocks.fstab import CifsMount, cifs_block, credentials, unit_of
from config.systems.secondbrain.parts import Share
from providers.resources.host import Block, Directory, File, MountPoint, Package, Unit, User


@dataclass(frozen=True)
class ShareAccess:
    """User and password of the Windows share. Secrets."""

    username: Input[str]
    password: Input[str]
    domain: Input[str] = "WORKGROUP"

    @classmethod
    def of(cls, secrets: Mapping[str, Input[str]]) -> ShareAccess:
        """Take them from the system's secrets, by key."""
        found = {part: secrets.get(f"secondbrain-smb-{part}") for part in ("username", "password", "domain")}
        return cls(**{part: value for part, value in found.items() if value is not None})


class WindowsShare:
    """The share of one SecondBrain host, as resources below its component.

    The Windows machine need not be on for any of this: the automount waits for the first access.
    """

    mount_point: MountPoint

    def __init__(
        self,
        name: str,
        share: Share,
        access: ShareAccess,
        *,
        host: str,
        account: User,
        install: bool,
        gate: Sequence[pulumi.Resource],
        after: Sequence[pulumi.Resource],
        parent: pulumi.Resource,
    ) -> None:
        """Register it. `gate` comes before all of it, `after` before the line in /etc/fstab.

        `install`: what the kernel's mount needs is installed, and not only looked for.
        """
        below = ResourceOptions(parent=parent, depends_on=list(gate))
        packages: list[pulumi.Resource] = []
        wanted = [
            *(["cifs-utils"] if install else []),
            *(["smbclient"] if share.smbclient else []),
        ]
        for package in wanted:
            packages.append(Package(f"{name}-package-{package}", host=host, name=package, opts=below))
        self.mount_point = MountPoint(
            f"{name}-share-mount-point",
            host=host,
            path=str(share.mount_point),
            owner=account.name,
            group=account.name,
            opts=ResourceOptions(parent=parent, depends_on=[account]),
        )
        folder = Directory(
            f"{name}-share-credentials-folder",
            host=host,
            path=str(share.credentials_file.parent),
            # smbclient brings /etc/samba along: the folder is then the package's, to be removed with it.
            opts=ResourceOptions(parent=parent, depends_on=[*gate, *packages]),
        )
        secret = File(
            f"{name}-share-credentials",
            host=host,
            path=str(share.credentials_file),
            content=Output.secret(Output.all(access.username, access.password, access.domain)).apply(
                lambda parts: _credentials(*parts)
            ),
            mode="0600",
            owner="root",
            group="root",
            opts=ResourceOptions(parent=parent, depends_on=[folder]),
        )
        block = Output.all(account.uid, account.gid).apply(
            lambda ids: cifs_block(
                CifsMount(
                    server=share.server,
                    share=share.name,
                    mount_point=str(share.mount_point),
                    credentials_file=str(share.credentials_file),
                    uid=int(ids[0]),
                    gid=int(ids[1]),
                    port=share.port,
                    read_only=share.read_only,
                )
            )
        )
        line = Block(
            f"{name}-share-fstab",
            host=host,
            path="/etc/fstab",
            name=name,
            content=block,
            opts=ResourceOptions(parent=parent, depends_on=[self.mount_point, secret, *packages, *after]),
        )
        Unit(
            f"{name}-share-automount",
            host=host,
            name=unit_of(str(share.mount_point), "automount"),
            running=True,
            restart_on=[block],
            opts=ResourceOptions(parent=parent, depends_on=[line]),
        )


def _credentials(username: str, password: str, domain: str) -> str:
    try:
        return credentials(username, password, domain)
    except ValueError as error:
        raise pulumi.RunError(str(error)) from None
