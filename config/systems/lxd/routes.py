"""Where addresses and names lead: gateways, the name server's own addresses, aliases, and who logs in."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from config.systems.lxd.known import Found, Known, Place


def routes(known: Known) -> Found:
    """Yield what leads nowhere, or back to where it comes from."""
    for name, bridge in known.bridges.items():
        for member, port in bridge.members.items():
            if port.gateway is not None:
                yield from _gateway(("bridges", name, "members", member, "gateway"), port.gateway, port.addresses)
    for name, instance in known.instances.items():
        own = [address for address in instance.addresses.values() if address is not None]
        if instance.gateway is not None:
            place: Place = ("instances", name, "gateway")
            yield from _gateway(place, instance.gateway, own)
            by_hand = own and len(own) == len(instance.addresses)
            if by_hand and not any(instance.gateway in address.network for address in own):
                rule = "must be in the subnet of one of its addresses, as none is by DHCP; correct one of them"
                yield place, rule
        if "root" in instance.users:
            yield ("instances", name, "users", "root"), "is there in each instance; name a login of its own"
    if "default" in known.groups:
        yield ("groups", "default"), "is the group that LXD itself has, of all members; rename it"
    yield from _dns(known)


def _gateway(place: Place, gateway: IPv4Address | IPv6Address, own: Iterable[IPv4Interface | IPv6Interface]) -> Found:
    for address in own:
        if gateway == address.ip:
            yield place, f"is {gateway}, its own address; name the router"
        elif address.version == 4 and gateway in (address.network.network_address, address.network.broadcast_address):
            yield place, f"is the first or the last address of {address.network}, and no machine's; name the router"


def _dns(known: Known) -> Found:
    dns = known.dns
    if dns is None:
        return
    owners = {member.address: name for name, member in known.members.items()}
    for number, address in enumerate(dns.addresses):
        owner = owners.get(address, dns.member)
        if owner != dns.member:
            rule = f"is {address}, which is the address of member {owner}; name one of {dns.member}, which answers"
            yield ("dns", "addresses", number), rule
    whole = {f"{name}.{dns.domain}": name for name in dns.aliases}
    for name in dns.aliases:
        steps, at = [name], name
        while (target := whole.get(dns.aliases[at])) is not None and target not in steps:
            steps.append(target)
            at = target
        if target == name and len(steps) > 1:
            yield (
                ("dns", "aliases", name),
                f"leads back to itself, by {', '.join(steps[1:])}; give a name with a record",
            )
