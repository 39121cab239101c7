"""What podman 4.9 is built from, its Go module with the lock files of module/, and where it goes on a machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.go_programs import GoPrograms

if TYPE_CHECKING:
    from lab.machine import Machine

PLACES = {
    "podman": "/usr/bin/podman",
    "quadlet": "/usr/libexec/podman/quadlet",
    "rootlessport": "/usr/libexec/podman/rootlessport",
}
"""Each program, and where Debian's package has it."""
PODMAN = GoPrograms(
    name="Podman",
    # renovate: datasource=go depName=github.com/containers/podman/v4
    version="4.9.5",
    source=Path(__file__).parent / "module",
    packages=tuple(f"github.com/containers/podman/v4/cmd/{program}" for program in PLACES),
    minutes="some two minutes",
    # Without `systemd` it has no timers that ask after containers' health, and waits for ever for a healthy one.
    tags=(
        "seccomp",
        "systemd",
        "containers_image_openpgp",
        "exclude_graphdriver_btrfs",
        "exclude_graphdriver_devicemapper",
    ),
    headers=(
        ("/usr/bin/pkg-config", "pkg-config"),
        ("/usr/include/seccomp.h", "libseccomp-dev"),
        ("/usr/include/systemd/sd-journal.h", "libsystemd-dev"),
    ),
)

WITHOUT_CGROUPS = """#!/bin/bash
# The lab's: a machine without a kernel of its own may have no cgroups of version 2, and podman 4.9's Quadlet reads no
# drop-ins for all containers, by which the lab tells podman 5 to do without.
exec /usr/libexec/podman/podman "${@/#--cgroups=split/--cgroups=disabled}"
"""


def put_on(machine: Machine) -> None:
    """Put it in the place of Debian's podman on a machine of the image `machine-podman`; no container may run there.

    Where the machine has no cgroups of version 2, its containers have none of their own, as with podman 5 in the lab.

    Over ssh: QEMU's guest agent, through which `run` goes, takes minutes for so much. Raises LabError where it is not
    built, and where it does not run there, as with a C library that is newer here than on the machine.
    """
    folder = PODMAN.built()
    if folder is None:
        raise LabError("Podman 4.9 is not built on this computer. Run `python -m lab.systems.secondbrain.podman4`.")
    places = dict(PLACES)
    if machine.run("stat --file-system --format %T /sys/fs/cgroup").stdout.strip() != "cgroup2fs":
        places["podman"] = "/usr/libexec/podman/podman"
        machine.write(PLACES["podman"], WITHOUT_CGROUPS, mode="0755")
    for program, place in places.items():
        command = f"cat > {place}.new && chmod 0755 {place}.new && mv {place}.new {place}"
        machine.ssh(command, user="root", stdin=(folder / program).read_bytes())
    said = machine.run("podman --version", check=False)
    if said.stdout.split()[-1:] != [PODMAN.version]:
        raise LabError(
            f"Podman {PODMAN.version} was put on {machine.name!r} and does not run: {said.stdout}{said.stderr}"
        )
