"""Everything that the cluster's name server answers, from the settings: a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from components.lxd import zone
from components.lxd.zone import Address, DnsRecord, Subnet
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Dns
from config.systems.lxd.rules import NAME_SERVER as SERVER

FOLDER = "/var/lib/bind/hearth"
LOOPBACK: tuple[Subnet, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True)
class Names:
    """Names and addresses of a zone, and the files that say so."""

    listen: list[Address]
    names: dict[str, list[Address]]
    """Name in the zone -> its addresses, without the wildcard."""
    wildcard: list[Address]
    files: dict[str, str]
    """Path -> text of each zone file."""
    zones: list[zone.Zone]
    options: str
    reverse: dict[str, str]
    """Address -> whole name."""


def names_of(settings: Lxd, dns: Dns) -> Names:
    """Return what the name server of a cluster is made of."""
    own = [*dns.addresses] or [settings.members[dns.member].address]
    names: dict[str, list[Address]] = {SERVER: own}
    names |= {name: [member.address] for name, member in settings.members.items()}
    for name, instance in settings.instances.items():
        given: list[Address] = [each.ip for each in instance.addresses.values() if each is not None]
        if given:
            names[name] = given
    names |= {name: list(addresses) for name, addresses in dns.records.items() if name != "*"}
    wildcard = list(dns.records.get("*", ())) or (names.get(dns.wildcard, []) if dns.wildcard else [])
    records = [each for name, addresses in names.items() if name != SERVER for each in _records(name, addresses)]
    records += _records("*", wildcard)
    records += [DnsRecord(name, "CNAME", f"{target}.") for name, target in dns.aliases.items()]
    zones = [zone.Zone(dns.domain, f"{FOLDER}/{dns.domain}.zone")]
    files = {zones[0].file: zone.zone_file(dns.domain, SERVER, own, records)}
    if dns.parent:
        above = zone.Zone(dns.parent, f"{FOLDER}/{dns.parent}.zone")
        delegation = zone.delegation(dns.domain, dns.parent, SERVER, own)
        files[above.file] = zone.zone_file(dns.parent, f"{SERVER}.{dns.domain}.", [], delegation)
        zones.append(above)
    subnets = _subnets(settings)
    pointed = {name: addresses[0] for name, addresses in names.items() if "*" not in name and name not in ("@", SERVER)}
    reverse: dict[str, str] = {}
    for back in sorted({zone.reverse_zone_of(subnet) for subnet in subnets} if dns.reverse else ()):
        pointers = zone.reverse_records(pointed, dns.domain, back)
        file = f"{FOLDER}/{back}.zone"
        files[file] = zone.zone_file(back, f"{SERVER}.{dns.domain}.", [], pointers)
        zones.append(zone.Zone(back, file))
        reverse |= {
            str(address): f"{name}.{dns.domain}"
            for name, address in pointed.items()
            if address.reverse_pointer.endswith(f".{back}")
        }
    clients = [*dns.clients] or subnets
    options = zone.named_options([*own, *_loopback(own)], clients, dns.forwarders)
    return Names(own, names, wildcard, files, zones, options, reverse)


def _records(name: str, addresses: list[Address]) -> list[DnsRecord]:
    return zone.address_records(name, addresses)


def _loopback(own: list[Address]) -> list[Address]:
    """Return the machine's own loopback, beside the addresses that are given."""
    four = LOOPBACK[0][1]
    return [] if four in own else [four]


def _subnets(settings: Lxd) -> list[Subnet]:
    """Return the subnets of LXD's networks."""
    return [
        address.network
        for network in settings.networks.values()
        for address in (network.ipv4, network.ipv6)
        if address is not None
    ]


def network_config(settings: Lxd, name: str) -> dict[str, str]:
    """Return LXD's keys of a network.

    Its own name server, which its instances ask, leads on to the cluster's for the zone: so their resolvers need no
    change, and none is lost by a restart.
    """
    network = settings.networks[name]
    config: dict[str, str] = {}
    for family, address in (("ipv4", network.ipv4), ("ipv6", network.ipv6)):
        config[f"{family}.address"] = str(address) if address is not None else "none"
        if address is not None:
            config[f"{family}.nat"] = "true" if network.nat else "false"
            config[f"{family}.dhcp"] = "true" if network.dhcp else "false"
    servers: list[str] = []
    if network.between_members and len(settings.members) > 1:
        # Each member has a DHCP server in the one network, and knows its own instances alone: the others' it must leave
        # to theirs, or they get an address that nobody gave them [run].
        servers.append("dhcp-ignore=tag:!known")
        # One number per network, the same on each member; by multicast, so that no member needs a list of the others.
        config["tunnel.hearth.protocol"] = "vxlan"
        config["tunnel.hearth.id"] = str(100 + list(settings.networks).index(name))
    if settings.dns:
        server = ([*settings.dns.addresses] or [settings.members[settings.dns.member].address])[0]
        servers.append(f"server=/{settings.dns.domain}/{server}")
    if servers:
        config["raw.dnsmasq"] = "\n".join(servers)
    return {**config, **network.config}
