"""The machines' overlay network: ZeroTier's package, its local configuration, and the members."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.lxd.zerotier_files import LOCAL_CONF, Subnet, local_conf
from config.systems.lxd import Lxd
from providers.resources.host import File, Package, Unit
from providers.resources.lxd import OverlayMember

SECRET = "lxd-zerotier-token"


def subnets(settings: Lxd) -> list[Subnet]:
    """List the networks that the overlay must neither route nor go through: LXD's own, and those of the bridges."""
    found: list[Subnet] = [
        address.network
        for network in settings.networks.values()
        for address in (network.ipv4, network.ipv6)
        if address is not None
    ]
    for bridge in settings.bridges.values():
        found += [address.network for port in bridge.members.values() for address in port.addresses]
    return sorted(set(found), key=str)


def conf_of(settings: Lxd, member: str) -> str:
    """Return the local configuration that keeps it off LXD's networks and the bridges, but for those that lead out."""
    bridges = {name: each.members[member] for name, each in settings.bridges.items() if member in each.members}
    inner = {name: port for name, port in bridges.items() if port.gateway is None and not port.dhcp}
    networks = [
        address.network
        for network in settings.networks.values()
        for address in (network.ipv4, network.ipv6)
        if address is not None
    ]
    networks += [address.network for port in inner.values() for address in port.addresses]
    return local_conf([*settings.networks, *inner], sorted(set(networks), key=str))


def lay(
    parent: pulumi.Resource,
    name: str,
    settings: Lxd,
    secrets: Mapping[str, Input[str]],
    after: Mapping[str, list[pulumi.Resource]],
) -> None:
    """Make each machine a member, after its bridges."""
    wanted = settings.overlay
    if wanted is None:
        return
    lans = [str(each) for each in subnets(settings)]
    lans += [str(ip_network(str(member.address))) for member in settings.members.values()]
    for member in settings.members:
        host = settings.host_of(member)

        def options(*more: pulumi.Resource, member: str = member) -> ResourceOptions:
            return ResourceOptions(parent=parent, depends_on=[*after.get(member, []), *more])

        package = Package(f"{name}-overlay-package-{member}", host=host, name="zerotier-one", opts=options())
        conf = conf_of(settings, member)
        file = File(f"{name}-overlay-conf-{member}", host=host, path=LOCAL_CONF, content=conf, opts=options(package))
        unit = Unit(
            f"{name}-overlay-unit-{member}",
            host=host,
            name="zerotier-one.service",
            enabled=True,
            running=True,
            restart_on=[conf],
            opts=options(file),
        )
        address = wanted.addresses.get(member)
        OverlayMember(
            f"{name}-overlay-{member}",
            host=host,
            network=wanted.network,
            name=member,
            token=Output.secret(secrets[SECRET]),
            controller=None if wanted.controller is None else str(wanted.controller),
            address=None if address is None else str(address.ip),
            lans=lans,
            opts=options(unit),
        )


def deployed(settings: Lxd) -> dict[str, dict[str, str]]:
    """Return what the checks need to know: the network, and each machine's address in it; empty without one."""
    wanted = settings.overlay
    if wanted is None:
        return {}
    return {wanted.network: {settings.host_of(name): str(each.ip) for name, each in wanted.addresses.items()}}
