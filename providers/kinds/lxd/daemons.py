"""What differs between LXD and Incus: the one place where either is named.

Sources: the packages lxd 5.0.2 and incus-base 6.0.4 of Debian 13 (dpkg -L, their units and maintainer scripts), and
their clients' own lists of image servers. What they have in common, and that is all of the API that Hearth asks, is
nowhere told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Daemon = Literal["lxd", "incus"]
# The client lays folders of its own into the home of who calls it, which nobody takes away.
_IN_A_HOME_OF_ITS_OWN = 'HOME=$(mktemp -d) || exit; export HOME; "$0" "$@"; status=$?; rm -rf "$HOME"; exit $status'
UBUNTU = "https://cloud-images.ubuntu.com/releases/"
# Either daemon starts each QEMU with `-spice`, and QEMU 10.0 without this ends with "There is no option group 'spice'".
SPICE = "qemu-system-modules-spice"
DNSMASQ = "dnsmasq"
"""The account of the package dnsmasq-base, which its purge leaves."""


@dataclass(frozen=True)
class About:
    """One of the two daemons, as Debian has it; of LXD also as the snap has it."""

    name: str
    """What people call it."""
    client: str
    """The command that people use."""
    packages: tuple[str, ...]
    """What is installed, the packet filter's tool first: the daemon looks for it when it starts. Itself last."""
    machine_packages: tuple[str, ...]
    """What its virtual machines need beside it."""
    program: tuple[str, ...]
    """The command that takes a preseed and speaks of the cluster's database."""
    preseed: tuple[str, ...]
    """Reads a preseed on stdin."""
    database: tuple[str, ...]
    """Prints the addresses of the members that keep the database; works without a quorum."""
    sockets: tuple[str, ...]
    state: str
    """Folder of everything that it keeps."""
    leftovers: tuple[str, ...]
    """Folders beside it that a purge may leave."""
    emptied: tuple[str, ...]
    """Folders of others that its package makes, and leaves empty when it goes."""
    units: tuple[str, ...]
    """Its units, in the order in which they are stopped."""
    start: str
    """The unit whose start starts the daemon."""
    accounts: tuple[str, ...]
    """Users and groups that its package makes and leaves behind."""
    tables: tuple[str, ...]
    """nftables' tables of its networks."""
    servers: Mapping[str, str]
    """Public servers of images, by the names that people know them by."""


ABOUT: dict[Daemon, About] = {
    "lxd": About(
        name="LXD",
        client="lxc",
        packages=("nftables", "dnsmasq-base", "lxd"),
        machine_packages=("qemu-system-x86", SPICE, "qemu-utils", "ovmf", "lxd-agent"),
        program=("lxd",),
        preseed=("lxd", "init", "--preseed"),
        database=("lxd", "cluster", "list-database"),
        sockets=("/var/lib/lxd/unix.socket", "/var/snap/lxd/common/lxd/unix.socket"),
        state="/var/lib/lxd",
        leftovers=("/var/cache/lxd", "/var/log/lxd", "/run/lxd_config"),
        emptied=("/etc/dnsmasq.d",),
        units=("lxd-containers.service", "lxd.socket", "lxd.service", "lxcfs.service"),
        start="lxd.service",
        accounts=("lxd", "_lxd", DNSMASQ),
        tables=("lxd",),
        servers={"images": "https://images.lxd.canonical.com", "ubuntu": UBUNTU},
    ),
    "incus": About(
        name="Incus",
        client="incus",
        packages=("nftables", "dnsmasq-base", "incus-base"),
        # The package `incus` is what virtual machines need: QEMU, the agent, a TPM.
        machine_packages=("incus", SPICE, "qemu-utils", "ovmf"),
        # Not on the PATH. `incus admin cluster` leads to it, and takes --quiet for its own: then it asks [run].
        program=("/usr/libexec/incus/incusd",),
        preseed=("sh", "-c", _IN_A_HOME_OF_ITS_OWN, "incus", "admin", "init", "--preseed"),
        database=("/usr/libexec/incus/incusd", "cluster", "list-database"),
        sockets=("/var/lib/incus/unix.socket",),
        state="/var/lib/incus",
        leftovers=("/var/cache/incus", "/var/log/incus", "/run/incus"),
        emptied=("/etc/dnsmasq.d",),
        units=(
            "incus-startup.service",
            "incus.socket",
            "incus-user.socket",
            "incus-user.service",
            "incus.service",
            "lxcfs.service",
        ),
        start="incus.service",
        accounts=("incus", "incus-admin", DNSMASQ),
        tables=("incus",),
        servers={"images": "https://images.linuxcontainers.org", "ubuntu": UBUNTU},
    ),
}
