"""How a new machine is let in to: the lab's key before its first start, its users after it, and its way from here."""

from __future__ import annotations

import io
import socket
import tarfile
from typing import TYPE_CHECKING

from lab import names
from lab.docker import cli
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.machine import Machine


def check_reachable(machine: Machine) -> None:
    """Raise LabError if this machine can't reach the other one's sshd by its address (Docker in a virtual machine)."""
    try:
        socket.create_connection((machine.address, machine.port), timeout=30).close()
    except OSError as error:
        raise LabError(
            f"{machine.name} runs, but its sshd at {machine.address}:{machine.port} can't be reached from here: "
            f"{error}. Hearth works over ssh, so this lab is of no use. Docker Desktop hides containers' addresses, "
            "a firewall may too: use Docker Engine on Linux itself, and let this machine talk to its Docker networks."
        ) from error


def admit(machine: Machine, public_key: str, users: Sequence[str]) -> None:
    """Before a machine's first start: let the lab's key in as root and as admin; start it; make its ordinary users."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("lab_keys")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for user in ("root", machine.user):
            data = f"{public_key}\n".encode()
            member = tarfile.TarInfo(f"lab_keys/{user}")
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    cli.docker("cp", "-", f"{machine.container}:{machine.root}/etc/ssh", stdin=stream.getvalue())
    cli.docker("start", machine.container)
    machine.wait_for_a_shell()
    for user in users:
        # HOME_MODE of Debian 13 is 0700; the subordinate range comes from useradd itself.
        machine.run(f"useradd --create-home --shell /bin/bash {names.checked_name(user, 'a user')}")
