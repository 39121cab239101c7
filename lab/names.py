"""Names, labels and addresses of what a lab makes: pure functions, so that two labs on one machine can't meet."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

LABEL_LAB = "hearth.lab"
LABEL_FOLDER = "hearth.lab.folder"
LABEL_MACHINE = "hearth.lab.machine"
LABEL_KIND = "hearth.lab.kind"
LABEL_DIGEST = "hearth.lab.recipe"
LABEL_KERNEL = "hearth.lab.kernel"

# The lab's own; what is called so is no machine.
SERVICES = ("names", "registry", "windows")

# 256 networks of 254 machines, in a corner of the private range that Docker's own pools don't reach.
POOL = ipaddress.IPv4Network("10.213.0.0/16")
REGISTRY_HOST_NUMBER = 2  # within the lab's network, as all of these
WINDOWS_HOST_NUMBER = 3
NAMES_HOST_NUMBER = 4
FIRST_MACHINE_HOST_NUMBER = 10

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


def checked_name(name: str, what: str) -> str:
    """Return the name if it can be a host name and part of a container's name; raise LabError otherwise."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} can't be the name of {what}: lower-case letters, digits and dashes, beginning with a letter, "
            "41 at most. Nothing was made. Choose another name."
        )
    return name


def folder_hash(folder: Path) -> str:
    """Return eight hex digits that stand for the lab's folder; two clones of the project get different ones."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def prefix(lab: str, folder: Path) -> str:
    """Return what the name of every container, network and volume of this lab begins with."""
    return f"{checked_name(lab, 'a lab')}-{folder_hash(folder)}"


def choose_subnet(taken: Iterable[str], seed: str) -> ipaddress.IPv4Network:
    """Return a /24 of the pool that overlaps none of `taken` (CIDR texts), the same one for a seed while it is free.

    IPv6 networks in `taken` are passed over. Raises LabError if the pool is exhausted.
    """
    networks = [ipaddress.ip_network(text, strict=False) for text in taken]
    used = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    candidates = list(POOL.subnets(new_prefix=24))
    start = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % len(candidates)
    for candidate in candidates[start:] + candidates[:start]:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise LabError(
        f"All networks of {POOL} are taken on this machine; a lab needs one to itself. Nothing was made. "
        "End a lab with `python -m lab down`, or remove a Docker network."
    )


def choose_address(subnet: ipaddress.IPv4Network, taken: Collection[str]) -> str:
    """Return the lowest free address for a machine; the first ten are kept for the lab's own services."""
    for number in range(FIRST_MACHINE_HOST_NUMBER, subnet.num_addresses - 1):
        address = str(subnet[number])
        if address not in taken:
            return address
    raise LabError(f"The lab's network {subnet} has no free address; it holds 244 machines. Remove one.")
