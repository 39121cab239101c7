"""What an LXD cluster listens on, from its settings: the daemons, LXD's own name servers, bind9, the overlay.

Sources: LXD's documentation ("How to configure your firewall", `tunnel.*`), ip-link(8) (vxlan, dstport), named.conf(5)
(`controls`), ZeroTierOne service/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Literal

from config.system import Listener

if TYPE_CHECKING:
    from config.systems.lxd import Lxd

EVERYWHERE = (IPv4Address("0.0.0.0"), IPv6Address("::"))
LOOPBACK = (IPv4Address("127.0.0.1"),)
DNS_PORT, RNDC_PORT, DHCP_PORT, VXLAN_PORT, ZEROTIER_PORT = 53, 953, 67, 8472, 9993
BOTH: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp")


def listeners(settings: Lxd) -> Iterator[Listener]:
    """Yield every port, by the setting that brings it."""
    hosts = {member: settings.host_of(member) for member in settings.members}
    for member, wanted in settings.members.items():
        yield Listener(f"members.{member}.port", hosts[member], wanted.port, (wanted.address,))
    for host in hosts.values():
        yield from _of_networks(settings, host)
        if settings.overlay is not None:
            yield Listener("overlay", host, ZEROTIER_PORT, EVERYWHERE, "udp")
            yield Listener("overlay", host, ZEROTIER_PORT, LOOPBACK)
    dns = settings.dns
    if dns is not None and dns.member in hosts:
        own = tuple(dict.fromkeys([*(dns.addresses or [settings.members[dns.member].address]), *LOOPBACK]))
        for protocol in BOTH:
            yield Listener("dns", hosts[dns.member], DNS_PORT, own, protocol)
        yield Listener("dns", hosts[dns.member], RNDC_PORT, LOOPBACK)


def _of_networks(settings: Lxd, host: str) -> Iterator[Listener]:
    """Yield LXD's own name server of each network, on its address; its DHCP servers, each on its own interface."""
    for name, network in settings.networks.items():
        own = tuple(address.ip for address in (network.ipv4, network.ipv6) if address is not None)
        for protocol in BOTH:
            yield Listener(f"networks.{name}", host, DNS_PORT, own, protocol)
    if any(network.ipv4 is not None and network.dhcp for network in settings.networks.values()):
        yield Listener("networks", host, DHCP_PORT, EVERYWHERE, "udp")
    if len(settings.members) > 1 and any(network.between_members for network in settings.networks.values()):
        yield Listener("networks", host, VXLAN_PORT, EVERYWHERE, "udp")
