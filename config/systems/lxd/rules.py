"""The rules between parts of the LXD cluster's settings: pure functions that list every mistake.

Each yields (place, `rule; remedy`). They are asked although other parts are wrong, and so take only what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING, Any

from config.mistakes import key_of
from config.model import Disagreement, Rules
from config.places import inside
from config.systems.lxd.keys import keys
from config.systems.lxd.known import Found, Known, Place
from config.systems.lxd.routes import routes

if TYPE_CHECKING:
    from config.systems.lxd import Lxd

Subnet = IPv4Network | IPv6Network

LONGEST_NAME = 253
"""Characters of a host's name without the dot at its end: RFC 1035 has 255 bytes with it, in its own form."""
NAME_SERVER = "ns1"
"""The name server's own name in the zone."""
BUILT_IN_PROFILES = ("default", "container", "vm-base", "vm-networks", "vm-resources", "vm-gpu", "gpu-passthrough")
"""Profiles that are there without being named."""


def between_parts(settings: Lxd) -> Rules:
    """Return the rules that concern two parts, as `Settings.rules` gives them; they may be wrong somewhere."""
    known = Known(settings)
    checks = (_references, _names, _addresses, _subnets, _disks, _bridges, _graphics, _dns, _environment, keys, routes)
    return [partial(_disagreements, check, known) for check in checks]


def _disagreements(check: Callable[[Known], Found], known: Known) -> Iterator[Disagreement]:
    for place, rule in check(known):
        yield Disagreement(key_of(place), rule, known.value_at(place))


def _known_member(known: Known, place: Place, member: str) -> Found:
    if not known.has("members", member):
        yield place, f"must be a member (there: {known.listed('members')}); add it to members, or correct the name"


def _references(known: Known) -> Found:
    for pool, settings in known.pools.items():
        for member in settings.members:
            yield from _known_member(known, ("pools", pool, "members", member), member)
    for bridge, settings in known.bridges.items():
        for member in settings.members:
            yield from _known_member(known, ("bridges", bridge, "members", member), member)
    for group, members in known.groups.items():
        for number, member in enumerate(members):
            yield from _known_member(known, ("groups", group, number), member)
            if member in members[:number]:
                yield ("groups", group, number), f"is {member}, which is there already; name each member once"
    for name, instance in known.instances.items():
        yield from _known_member(known, ("instances", name, "member"), instance.member)
        if not known.has("images", instance.image):
            rule = f"must be one of images (there: {known.listed('images')}); add it, or correct the name"
            yield ("instances", name, "image"), rule
        for number, profile in enumerate(instance.profiles or ()):
            if profile in (instance.profiles or ())[:number]:
                yield ("instances", name, "profiles", number), f"is {profile}, which is there already; name it once"
            if profile not in BUILT_IN_PROFILES and not known.has("profiles", profile):
                there = ", ".join(dict.fromkeys((*BUILT_IN_PROFILES, *known.names["profiles"])))
                yield (
                    ("instances", name, "profiles", number),
                    f"must be a profile (there: {there}); add it to profiles, or correct the name",
                )
        for link in instance.addresses:
            yield from _known_link(known, ("instances", name, "addresses", link), link, instance.member)
    for member in known.overlay.addresses if known.overlay else {}:
        yield from _known_member(known, ("overlay", "addresses", member), member)


def _known_link(known: Known, place: Place, link: str, member: str) -> Found:
    if not known.has("networks", link) and not known.has("bridges", link):
        there = ", ".join((*known.names["networks"], *known.names["bridges"])) or "none yet"
        yield place, f"must be one of networks or bridges (there: {there}); add it, or correct the name"
    elif link in known.bridges and known.has("members", member) and member not in known.bridges[link].members:
        yield place, f"must be a bridge of its member, and {link} has none on {member}; add the member to the bridge"


def _names(known: Known) -> Found:
    """Yield each name that two things have where it must be one: in the zone, or among the interfaces."""
    for name in known.instances.keys() & known.members.keys():
        yield ("instances", name), "has the name of a member, and both would be one name in the zone; rename it"
    for name in known.networks.keys() & known.bridges.keys():
        yield ("networks", name), "has the name of a bridge, and both are interfaces of the machines; rename it"
    hosts: dict[str, str] = {}
    for name, member in known.members.items():
        host = member.host or name
        if host in hosts:
            yield ("members", name, "host"), f"is {host}, which is {hosts[host]} already; give each member a machine"
        hosts.setdefault(host, name)
    if known.dns is not None:
        rule = f"is {NAME_SERVER}, which is the name server's own name in the zone; rename it"
        for group in ("members", "instances"):
            if NAME_SERVER in getattr(known, group):
                yield (group, NAME_SERVER), rule
        for part in ("records", "aliases"):
            if NAME_SERVER in getattr(known.dns, part):
                yield ("dns", part, NAME_SERVER), rule


def _addresses(known: Known) -> Found:
    """Yield every address that is given out by hand to more than one."""
    owners: dict[Any, str] = {}

    def claim(place: Place, address: Any, owner: str) -> Found:
        if address in owners and owners[address] != owner:
            yield place, f"is {address}, which {owners[address]} has already; give it another address"
        owners.setdefault(address, owner)

    for name, member in known.members.items():
        yield from claim(("members", name, "address"), member.address, f"member {name}")
    for name, network in known.networks.items():
        for family in ("ipv4", "ipv6"):
            address: IPv4Interface | IPv6Interface | None = getattr(network, family)
            if address is not None:
                yield from claim(("networks", name, family), address.ip, f"network {name}")
    for name, bridge in known.bridges.items():
        for member, port in bridge.members.items():
            for number, address in enumerate(port.addresses):
                place = ("bridges", name, "members", member, "addresses", number)
                yield from claim(place, address.ip, f"member {member}")
    for name, instance in known.instances.items():
        for link, address in instance.addresses.items():
            if address is not None:
                yield from claim(("instances", name, "addresses", link), address.ip, f"instance {name}")
                yield from _in_subnet(known, ("instances", name, "addresses", link), link, address)
    for member, address in (known.overlay.addresses if known.overlay else {}).items():
        yield from claim(("overlay", "addresses", member), address.ip, f"member {member}")


def _in_subnet(known: Known, place: Place, link: str, address: IPv4Interface | IPv6Interface) -> Found:
    network = known.networks.get(link)
    if network is None:
        return
    own = network.ipv4 if address.version == 4 else network.ipv6
    if own is None or address.network != own.network:
        yield place, f"must be in the subnet of {link} ({own.network if own else 'none'}); give it such an address"


def _subnets(known: Known) -> Found:
    """Networks that are routed apart must not share addresses."""
    taken: list[tuple[Subnet, str]] = []
    for name, bridge in known.bridges.items():
        own = {address.network for port in bridge.members.values() for address in port.addresses}
        taken += [(subnet, f"bridge {name}") for subnet in own]
    for name, network in known.networks.items():
        for family in ("ipv4", "ipv6"):
            address = getattr(network, family)
            if address is None:
                continue
            for subnet, owner in taken:
                if subnet.version == address.version and subnet.overlaps(address.network):
                    yield (
                        ("networks", name, family),
                        f"is in {address.network}, which overlaps {subnet} of {owner}; choose another subnet",
                    )
            for member, settings in known.members.items():
                if settings.address in address.network:
                    yield (
                        ("networks", name, family),
                        f"is in {address.network}, in which the machine of {member} has its address"
                        f" {settings.address}; choose a subnet that is used nowhere",
                    )
            taken.append((address.network, f"network {name}"))
    overlay = [*(known.overlay.addresses.items() if known.overlay else ())]
    places: list[tuple[Place, Subnet]] = [
        *((("overlay", "addresses", member), address.network) for member, address in overlay),
        *((("overlay", "routes", n), each) for n, each in enumerate(known.overlay.routes if known.overlay else ())),
    ]
    for place, own in places:
        for subnet, owner in taken:
            if subnet.version == own.version and subnet.overlaps(own):
                yield place, f"covers {subnet} of {owner}, which would be cut off by it; choose another subnet"
        for member, settings in known.members.items():
            if settings.address in own:
                yield place, f"covers {settings.address} of member {member}; choose a subnet that is used nowhere"


def _disks(known: Known) -> Found:
    """Yield disks that are given to two pools."""
    owners: dict[tuple[str, str], str] = {}
    for pool, settings in known.pools.items():
        for member, each in settings.members.items():
            if each.disk is None:
                continue
            if (member, each.disk) in owners:
                other = owners[member, each.disk]
                yield (
                    ("pools", pool, "members", member, "disk"),
                    f"is {each.disk}, which the pool {other} has already; give it another disk",
                )
            owners.setdefault((member, each.disk), pool)


def _bridges(known: Known) -> Found:
    used: dict[tuple[str, str], str] = {}
    names = known.bridges.keys() | known.networks.keys()
    for name, bridge in known.bridges.items():
        for member, port in bridge.members.items():
            place: Place = ("bridges", name, "members", member, "nic")
            if port.nic in names:
                yield place, f"is {port.nic}, which is a bridge itself; name the network interface below it"
            if (member, port.nic) in used:
                yield place, f"is {port.nic}, which is in {used[member, port.nic]} already; a NIC is in one bridge only"
            used.setdefault((member, port.nic), name)


def _graphics(known: Known) -> Found:
    owners: dict[tuple[str, str], str] = {}
    for name, member in known.members.items():
        seen: set[str] = set()
        for number, gpu in enumerate(member.gpus):
            if gpu.rpartition(".")[0] in seen:
                yield ("members", name, "gpus", number), f"is {gpu}, a card that is there already; name each card once"
            seen.add(gpu.rpartition(".")[0])
    for name, instance in known.instances.items():
        if instance.gpu_driver and not (instance.gpus and instance.running):
            what = "name them" if instance.running else "let it run"
            yield ("instances", name, "gpu-driver"), f"is for an instance that runs, with gpus; {what}, or leave it out"
        for number, gpu in enumerate(instance.gpus):
            place: Place = ("instances", name, "gpus", number)
            member = known.members.get(instance.member)
            if instance.type == "container":
                yield place, "is for virtual machines, as a container shares its machine's driver; change the type"
            if member is not None and gpu not in member.gpus:
                yield place, f"is {gpu}, which {instance.member} does not keep for this; add it to its gpus"
            if (instance.member, gpu) in owners:
                other = owners[instance.member, gpu]
                yield place, f"is {gpu}, which {other} has already; a card is given to one virtual machine"
            owners.setdefault((instance.member, gpu), name)


def _dns(known: Known) -> Found:
    dns = known.dns
    if dns is None:
        return
    yield from _known_member(known, ("dns", "member"), dns.member)
    things = known.members.keys() | known.instances.keys()
    if dns.wildcard and not known.has("members", dns.wildcard) and not known.has("instances", dns.wildcard):
        yield ("dns", "wildcard"), "must be a member or an instance; correct the name, or give `*` in records"
    if dns.wildcard and "*" in dns.records:
        yield ("dns", "wildcard"), "is given by records too, as `*`; remove one of them"
    for name in dns.aliases:
        if name in dns.records or name in things or name == "@" or (name == "*" and dns.wildcard):
            yield ("dns", "aliases", name), "has a record of its own, and an alias stands alone (RFC 1034); rename it"
        if dns.aliases[name] == f"{name}.{dns.domain}":
            yield ("dns", "aliases", name), "leads to itself; give the name that it stands for"
    for name in dns.records:
        if name in things:
            yield ("dns", "records", name), "is a member or an instance, which has its record already; rename it"
    names = {("members", name): name for name in known.members} | {
        ("instances", name): name for name in known.instances
    }
    names |= {("dns", part, name): name for part in ("records", "aliases") for name in getattr(dns, part)}
    for place, name in names.items():
        if name != "@" and len(name) + 1 + len(dns.domain) > LONGEST_NAME:
            rule = (
                f"makes a name of more than {LONGEST_NAME} characters in {dns.domain} (RFC 1035); shorten one of both"
            )
            yield place, rule
    member = known.members.get(dns.member)
    own = {*dns.addresses} or ({member.address} if member else set())
    for number, address in enumerate(dns.forwarders):
        if address in own or str(address) in ("127.0.0.1", "::1"):
            yield ("dns", "forwarders", number), f"is {address}, where this server itself answers; name another server"
    if dns.parent and not dns.domain.endswith(f".{dns.parent}"):
        yield ("dns", "parent"), f"must be a domain above {dns.domain}; correct one of them"


def _environment(known: Known) -> Found:
    wanted = known.environment
    if wanted and wanted.link and (inside(wanted.link, wanted.path) or inside(wanted.path, wanted.link)):
        rule = f"must be another place than the file that it leads to ({wanted.path}); choose one, or leave it out"
        yield ("environment", "link"), rule
