"""Types of the values in the settings of the LXD cluster."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_interface
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from config.addresses import IpAddress
from config.model import NO_CONTROL, each_once, fits_64_bits, matches
from config.texts import no_password


def _of_a_machine(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if value.is_unspecified:
        raise ValueError("must be the address of one machine, and this one stands for every address; write its own")
    return value


def _reached_by_others(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if value.is_loopback or value.is_link_local:
        raise ValueError("must be an address by which other machines reach this one; write it as 192.0.2.10")
    return value


MachineAddress = Annotated[IpAddress, AfterValidator(_of_a_machine)]
"""An address of one machine; loopback is its own."""
MemberAddress = Annotated[MachineAddress, AfterValidator(_reached_by_others)]
"""An address at which other machines find this one."""


MachineAddresses = Annotated[tuple[MachineAddress, ...], AfterValidator(each_once)]
RecordAddresses = Annotated[tuple[IpAddress, ...], Field(min_length=1), AfterValidator(each_once)]


def _written(value: Any) -> Any:
    """Python would take a number for an address, and true for 0.0.0.1/32."""
    if not isinstance(value, str | IPv4Interface | IPv6Interface):
        raise ValueError("must be an address with the length of its subnet; write it in quotes, as '192.0.2.10/24'")
    return value


def _given_to_machines(value: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    """No address that stands for none, for many, for each machine itself, or that machines give themselves."""
    ip = value.ip  # of an IPv6Interface Python asks the whole subnet
    reserved = ip.version == 4 and (ip.is_reserved or int(ip) >> 24 == 0)
    mapped = getattr(ip, "ipv4_mapped", None) is not None
    if reserved or mapped or ip.is_unspecified or ip.is_multicast or ip.is_loopback or ip.is_link_local:
        raise ValueError("must be in a subnet that is given to machines; choose one as 192.168.1.10/24")
    return value


def _inside_a_subnet(value: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    network = value.network
    if network.prefixlen >= network.max_prefixlen - 1:
        raise ValueError("must have the length of its subnet; write it as 192.0.2.10/24")
    last = network.broadcast_address if value.version == 4 else None  # the first is the routers' own: RFC 4291, 2.6.1
    if value.ip in (network.network_address, last):
        raise ValueError("must be an address of a host within its subnet, not its first or last; write 192.0.2.10/24")
    return value


Interface = Annotated[
    IPv4Interface | IPv6Interface,
    BeforeValidator(_written),
    AfterValidator(_inside_a_subnet),
    AfterValidator(_given_to_machines),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "ipv4interface"}),
]
"""An address with the length of its subnet, as 192.0.2.10/24."""


def _subnet(value: Any) -> Any:
    """Return a subnet, also where it is told by one of its addresses."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_interface(value).network if isinstance(value, str) else None
    except ValueError:
        raise ValueError("must be a network with its length; write it as 192.168.0.0/16") from None


def _of_some(value: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if value.prefixlen < (8 if value.version == 4 else 7) or value.is_multicast:
        raise ValueError("must be a network of one's own, and this one is everybody; write it as 192.168.0.0/16")
    return value


Subnet = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_subnet),
    AfterValidator(_of_some),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "ipv4network"}),
]
"""A network, as 192.168.0.0/16."""

MemberName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"(?!localhost$)[a-z0-9]([a-z0-9-]*[a-z0-9])?",
        "must be lowercase letters, digits and '-', as it becomes a host name in the zone, and not localhost; "
        "choose such a name",
    ),
]
"""The name of a member of the cluster, of an instance, a pool or a group: one label of a host name."""

LinkName = Annotated[
    str,
    matches(
        r"(?!(?:all|default|lo)$)[a-zA-Z][a-zA-Z0-9_.-]{0,14}",
        "must be a network interface's name: up to 15 letters, digits, '-', '_' and '.'; look at `ip link`",
    ),
]
"""A network interface of Linux: at most 15 bytes (IFNAMSIZ), never a name that sysctl(8) has for itself."""

_TAKEN_LINK = re.compile(
    r"(docker|podman|cni|virbr|lxcbr|veth|flannel|cali|eth|wlan|wwan)[0-9.].*|en[ops][0-9].*|wl[ops].*"
)


def _own_link(value: str) -> str:
    if len(value) < 2 or _TAKEN_LINK.fullmatch(value):
        raise ValueError(
            "must be a name of its own, of two characters or more, and none that network cards or other programs' "
            "bridges have; choose one as lxdbr0"
        )
    return value


OwnLinkName = Annotated[LinkName, AfterValidator(_own_link)]
"""The name of an interface that is made: a bridge, a network."""

_NO_CARD = re.compile(
    r"(docker|podman|cni|virbr|lxcbr|lxdbr|incusbr|veth|flannel|cali|zt|tun|tap|wg|vxlan|wlan|wl[ops]|wwan)[0-9a-z.]*"
)


def _card(value: str) -> str:
    if _NO_CARD.fullmatch(value):
        raise ValueError(
            "must be a network card that a bridge can have, and this is a wireless one or another program's; name the "
            "card, as `ip link` shows it"
        )
    return value


CardName = Annotated[LinkName, AfterValidator(_card)]
"""A network interface that is put into a bridge: one of Ethernet (brctl's manual: none of Wi-Fi as a station)."""

InstanceName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"(?!localhost$)[a-z]([a-z0-9-]*[a-z0-9])?",
        "must be lowercase letters, digits and '-', begin with a letter, and be not localhost; choose such a name",
    ),
]
"""The name of an instance: LXD takes none that begins with a digit (documentation, instance properties)."""

ResourceName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?",
        "must be letters, digits, '-', '_' and '.', and begin and end with a letter or a digit; rename it",
    ),
]
"""The name of a profile or an image's alias."""

ConfigKey = Annotated[
    str,
    Field(max_length=255),
    matches(r"[a-z0-9][A-Za-z0-9_.*:/-]*", "must be a key of LXD's configuration; write it as limits.memory"),
]


def _countable(value: str) -> str:
    return fits_64_bits(value) if re.fullmatch(r"[0-9]+(Ki|Mi|Gi|Ti|Pi|Ei|k|K|M|G|T|P|E)?B", value) else value


ConfigValue = Annotated[
    str, matches(r"[^\x00]*", "must hold no NUL character; take it out"), AfterValidator(_countable)
]

PciAddress = Annotated[
    str,
    matches(
        r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]",
        "must be a full PCI address in lowercase letters; write it as 0000:01:00.0, as `lspci -D` shows it",
    ),
]
"""A function of a PCI device, as sysfs calls it. Two equal cards have the same ids, and never the same address."""

DiskById = Annotated[
    str,
    Field(max_length=255),
    matches(
        r"/dev/disk/by-id/[A-Za-z0-9][A-Za-z0-9_.:+@-]*",
        "must name the disk by its id, as /dev/sdX may be another disk after a restart; write /dev/disk/by-id/...",
    ),
]
"""A disk that is that very disk after every restart."""

Bytes = Annotated[
    str,
    matches(r"[1-9][0-9]*(MiB|GiB|TiB|MB|GB|TB)", "must be a size with its unit; write it as 20GiB"),
    AfterValidator(fits_64_bits),
]

DomainName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"(?!.*--)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "must be a domain in lowercase letters without a dot at its end; write it as cluster.example.org",
    ),
]
HostLabel = Annotated[
    str,
    Field(max_length=200),
    matches(
        r"(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*|@",
        "must be a name within the zone, in lowercase letters, '*' for a wildcard or '@' for the zone itself; write"
        " it as www",
    ),
]
"""A name relative to a zone; `*` alone or as its first label stands for every name that does not exist (RFC 4592)."""

ZeroTierNetwork = Annotated[
    str,
    matches(
        r"(?!0{10})[0-9a-f]{16}",
        "must be the 16 small hexadecimal digits of a ZeroTier network, its controller's first; copy it from there",
    ),
]
Variable = Annotated[
    str,
    Field(max_length=255),
    matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name; write it as LOG_LEVEL"),
]
OneLine = Annotated[
    str, matches(NO_CONTROL, "must be one line without control or unseen characters; write it without line breaks")
]
VariableValue = Annotated[OneLine, AfterValidator(no_password)]
ImageTitle = Annotated[
    str,
    Field(max_length=255),
    matches(r"[A-Za-z0-9][A-Za-z0-9._/+:-]*", "must be an image's name; write it as debian/13/cloud"),
]
"""The name of an image on a public server."""
PackageName = Annotated[
    str,
    Field(max_length=255),
    matches(r"[a-z0-9][a-z0-9+.-]+", "must be a Debian package's name; write it as apt-cache search shows it"),
]
PublicKey = Annotated[
    str,
    Field(max_length=16384),
    matches(
        r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,3}"
        rf"( {NO_CONTROL})?",
        "must be one line of an OpenSSH public key; write it as ssh-ed25519 AAAA... name",
    ),
]
