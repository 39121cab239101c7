"""A cluster's stack without what needs a second network interface, for tests that are about something else."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

from lab import Machine
from tests.lab.systems.lxd.cluster_stack import ClusterStack

NO_LAN = IPv4Network("192.0.2.0/24")
LEFT_OUT = ("bridges", "ssh", "environment", "dns", "groups")


def plain_stack(folder: Path, machines: list[Machine], image: str, daemon: str = "lxd") -> ClusterStack:
    """Return a stack with a pool, a network, profiles, an image and an instance on each member, and no more."""
    stack = ClusterStack(folder, machines, image, NO_LAN)
    for part in LEFT_OUT:
        stack.settings.pop(part, None)
    for instance in stack.settings["instances"].values():
        instance["addresses"].pop("br0")
    stack.settings["daemon"] = daemon
    stack.configure()
    return stack
