"""The files with which ssh, asyncssh and Hearth's provider reach the lab's machines: pure text, and a key made once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncssh

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class SshHost:
    """What is known of a machine that sshd runs on."""

    name: str
    address: str
    port: int
    user: str
    host_key: str


def render_ssh_config(hosts: Iterable[SshHost], folder: Path) -> str:
    """Return the ssh_config(5) of the lab: one entry per machine, its host key verified, no other key offered."""
    entries = [
        f"Host {host.name}\n"
        f"  HostName {host.address}\n"
        f"  Port {host.port}\n"
        f"  User {host.user}\n"
        f'  IdentityFile "{folder / "id_ed25519"}"\n'
        f"  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{folder / "known_hosts"}"\n'
        f"  StrictHostKeyChecking yes\n"
        for host in sorted(hosts, key=lambda host: host.name)
    ]
    return "# Written by the Hearth lab; `python -m lab down` removes it.\n" + "\n".join(entries)


def render_known_hosts(hosts: Iterable[SshHost]) -> str:
    """Return the known_hosts of the lab, by address and by name."""
    lines: list[str] = []
    for host in sorted(hosts, key=lambda host: host.name):
        names = [host.name, host.address]
        # sshd(8): a port other than 22 is written with the name in brackets.
        written = names if host.port == 22 else [f"[{name}]:{host.port}" for name in names]
        lines.append(f"{','.join(written)} {' '.join(host.host_key.split()[:2])}\n")
    return "".join(lines)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that is never readable by others, not even for a moment, and is never half written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    beside.replace(path)


def ensure_key(folder: Path) -> str:
    """Return the lab's public key, having made the pair in the lab's folder if it was missing."""
    private, public = folder / "id_ed25519", folder / "id_ed25519.pub"
    if not private.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="hearth-lab")  # pyright: ignore[reportUnknownMemberType]
        write_private(private, key.export_private_key().decode())
    try:
        text = asyncssh.read_private_key(str(private)).export_public_key().decode()
    except (asyncssh.KeyImportError, OSError) as error:
        raise LabError(
            f"{private} is not a private key that can be read ({error}); the lab's machines let nobody else in. "
            "Run `python -m lab down`, which removes it, then `python -m lab up`."
        ) from error
    write_private(public, text, 0o644)
    return text.strip()
