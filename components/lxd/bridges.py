"""Bridges over the members' own network interfaces: the resources that make them."""

from __future__ import annotations

import pulumi
from pulumi import ResourceOptions

from config.systems.lxd import Lxd
from providers.resources.lxd import Bridge


def lay(parent: pulumi.Resource, name: str, settings: Lxd) -> dict[str, list[pulumi.Resource]]:
    """Member -> its bridges, one after another: a machine's network is changed by one at a time."""
    made: dict[str, list[pulumi.Resource]] = {}
    for bridge, wanted in settings.bridges.items():
        for member, port in wanted.members.items():
            own = made.setdefault(member, [])
            own.append(
                Bridge(
                    f"{name}-bridge-{bridge}-{member}",
                    host=settings.host_of(member),
                    name=bridge,
                    nic=port.nic,
                    addresses=[str(each) for each in port.addresses],
                    dhcp=port.dhcp,
                    gateway=None if port.gateway is None else str(port.gateway),
                    nameservers=[str(each) for each in port.nameservers],
                    renderer=port.renderer,
                    route_check=None if wanted.route_check is None else str(wanted.route_check),
                    opts=ResourceOptions(parent=parent, depends_on=own[-1:]),
                )
            )
    return made


def deployed(settings: Lxd) -> dict[str, dict[str, list[str]]]:
    """Return what the checks need to know: machine -> bridge -> its interface, then its addresses."""
    found: dict[str, dict[str, list[str]]] = {}
    for bridge, wanted in settings.bridges.items():
        for member, port in wanted.members.items():
            links = [port.nic, *(str(each) for each in port.addresses)]
            found.setdefault(settings.host_of(member), {})[bridge] = links
    return found


def answering(settings: Lxd) -> dict[str, dict[str, list[str]]]:
    """Return who is to answer through each bridge: machine -> bridge -> its gateway, and the next member in it.

    In a circle, so that every member is tried. Of those that ask for their addresses none is known.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for bridge, wanted in settings.bridges.items():
        members = list(wanted.members)
        for place, (member, port) in enumerate(wanted.members.items()):
            others = [*members[place + 1 :], *members[:place]]
            own = [each.network for each in port.addresses]
            near = [
                str(address.ip)
                for other in others
                for address in wanted.members[other].addresses
                if any(address.ip in network for network in own)
            ]
            gateway = [] if port.gateway is None else [str(port.gateway)]
            found.setdefault(settings.host_of(member), {})[bridge] = [*gateway, *near[:1]]
    return found
