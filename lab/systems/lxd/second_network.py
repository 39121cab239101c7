"""A second network for machines of a lab: each gets a network interface `eth1` in it, and nothing configures that."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from lab.docker import cli, containers

if TYPE_CHECKING:
    from lab import Lab, Machine


@contextlib.contextmanager
def second_network(lab: Lab, machines: Sequence[Machine]) -> Generator[ipaddress.IPv4Network]:
    """Connect machines to a network of their own, for as long as a `with` lasts; its subnet."""
    name = f"{lab.prefix}-second"
    network = containers.ensure_network(name, lab.labels)
    try:
        for machine in machines:
            cli.docker("network", "connect", name, machine.container)
            machine.run("ip addr flush dev eth1")
        yield ipaddress.IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
    finally:
        for machine in machines:
            cli.docker("network", "disconnect", "--force", name, machine.container, check=False)
        cli.docker("network", "rm", name)
