"""Zone files and named.conf for bind9: pure functions.

Source: RFC 1035 (master files, section 5), RFC 2308 (the SOA's minimum), RFC 2317 and RFC 3596 (reverse zones), bind9's
reference for named.conf (9.20). `named-checkzone` and `named-checkconf` prove what is written here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
TTL = 300
"""Seconds that an answer may be kept: short, as instances come and go."""
NEGATIVE_TTL = 60
"""Seconds for which "no such name" may be kept."""


@dataclass(frozen=True)
class DnsRecord:
    """One line of a zone: a name in it (`@` for the zone itself), a type, and a value."""

    name: str
    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} IN {self.type} {self.value}"


def address_records(name: str, addresses: Iterable[Address]) -> list[DnsRecord]:
    """Return the A and AAAA records of a name."""
    return [DnsRecord(name, "A" if each.version == 4 else "AAAA", str(each)) for each in addresses]


def serial_of(records: Sequence[DnsRecord]) -> int:
    """Return a serial that changes with the content and nothing else: the zone has no secondaries to compare it."""
    text = "\n".join(sorted(map(str, records)))
    return zlib.crc32(text.encode()) % 4294967294 + 1


def zone_file(domain: str, server: str, server_addresses: Sequence[Address], records: Sequence[DnsRecord]) -> str:
    """Return a whole zone.

    `server` is the name server's own name: one label in the zone, or a whole name with a dot at its end, which then
    needs no address here.
    """
    glue = [] if server.endswith(".") else address_records(server, server_addresses)
    every = sorted({*glue, *records}, key=lambda each: (each.name != "@", each.name, each.type, each.value))
    serial = serial_of([*every, DnsRecord("@", "NS", server)])
    head = [
        f"$ORIGIN {domain}.",
        f"$TTL {TTL}",
        f"@ IN SOA {server} hostmaster.{domain}. ( {serial} 3600 600 604800 {NEGATIVE_TTL} )",
        f"@ IN NS {server}",
    ]
    return "\n".join([*head, *map(str, every)]) + "\n"


def reverse_zone_of(subnet: Subnet) -> str:
    """Return the reverse zone that holds a subnet.

    It is of whole bytes (IPv4) or digits (IPv6), and the next one up where it must be.
    """
    step = 8 if subnet.version == 4 else 4
    length = max(step, subnet.prefixlen - subnet.prefixlen % step)
    return _reverse(subnet.network_address, length // step)


def reverse_name(address: Address, zone: str) -> str:
    """Return the name of an address within a reverse zone."""
    whole = address.reverse_pointer
    if not whole.endswith(f".{zone}"):
        raise ValueError(f"{address} is not in the reverse zone {zone}; give it the zone of its subnet")
    return whole.removesuffix(f".{zone}")


def _reverse(address: Address, parts: int) -> str:
    labels = address.reverse_pointer.split(".")
    return ".".join(labels[len(labels) - 2 - parts :])


def reverse_records(names: Mapping[str, Address], domain: str, zone: str) -> list[DnsRecord]:
    """PTR records of every address that lies in a reverse zone."""
    return [
        DnsRecord(reverse_name(address, zone), "PTR", f"{name}.{domain}.")
        for name, address in sorted(names.items())
        if address.reverse_pointer.endswith(f".{zone}")
    ]


def delegation(child: str, parent: str, server: str, addresses: Sequence[Address]) -> list[DnsRecord]:
    """Return what a parent zone has about a child.

    Its name server, and that server's address (RFC 1034, section 4.2.1).
    """
    name = child.removesuffix(f".{parent}")
    return [DnsRecord(name, "NS", f"{server}.{child}."), *address_records(f"{server}.{name}", addresses)]


@dataclass(frozen=True)
class Zone:
    """A zone that the server is master of."""

    name: str
    file: str


def named_options(
    listen: Sequence[Address], clients: Sequence[Subnet], forwarders: Sequence[Address], folder: str = "/var/cache/bind"
) -> str:
    """Return named.conf.options.

    It listens on addresses that are named, and not on interfaces as they come and go, so that LXD's own name servers
    have theirs; it asks others on behalf of `clients` only.
    """
    own: dict[int, list[Address]] = {4: [], 6: []}
    for address in listen:
        own[address.version].append(address)
    allowed = ["localhost", *map(str, clients)]
    lines = [
        "options {",
        f"    directory {quoted(folder)};",
        f"    listen-on {_list(own[4])};",
        f"    listen-on-v6 {_list(own[6])};",
        # Addresses that come later are not taken by themselves: LXD's dnsmasq could not bind to its own any more.
        "    interface-interval 0;",
        "    allow-query { any; };",
        f"    allow-recursion {_list(allowed)};",
        f"    allow-query-cache {_list(allowed)};",
        "    allow-transfer { none; };",
        "    recursion yes;",
        "    dnssec-validation auto;",
    ]
    if forwarders:
        lines += [f"    forwarders {_list(forwarders)};"]
    return "\n".join([*lines, "};"]) + "\n"


def named_zones(zones: Sequence[Zone]) -> str:
    """named.conf.local: the zones that this server is master of."""
    parts = [
        f"zone {quoted(zone.name)} IN {{\n    type master;\n    file {quoted(zone.file)};\n    allow-update {{"
        f" none; }};\n}};\n"
        for zone in zones
    ]
    return "\n".join(parts)


def quoted(text: str) -> str:
    """Return a text as a quoted string of named.conf. Raises ValueError for what such a string can't hold."""
    if any(ord(character) < 32 for character in text):
        raise ValueError("a quoted string of named.conf is one line; take the control characters out")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _list(entries: Iterable[object]) -> str:
    found = [f"{each};" for each in entries]
    return "{ " + " ".join(found or ["none;"]) + " }"


def overlapping(addresses: Iterable[str], subnet: Subnet) -> list[str]:
    """Return those of some addresses, as texts, that are within a subnet."""
    return [each for each in addresses if ip_address(each) in subnet]
