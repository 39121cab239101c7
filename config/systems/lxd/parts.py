"""The parts of the settings of the LXD cluster: members, bridges, pools, networks, profiles, images, instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.accounts import SomebodysName
from config.addresses import Address
from config.model import AccountName, Disagreement, HostName, Port, Rules, Settings, each_once
from config.places import LinkPlace, PlainFile, SharedFile, SshKeyFile
from config.systems.lxd.values import (
    Bytes,
    CardName,
    ConfigKey,
    ConfigValue,
    DiskById,
    DomainName,
    HostLabel,
    ImageTitle,
    Interface,
    LinkName,
    MachineAddresses,
    MemberAddress,
    MemberName,
    OneLine,
    PackageName,
    PciAddress,
    PublicKey,
    RecordAddresses,
    ResourceName,
    Subnet,
    Variable,
    VariableValue,
    ZeroTierNetwork,
)

Config = dict[ConfigKey, ConfigValue]
Devices = dict[ResourceName, Config]
RESERVED_CONFIG = ("volatile.", "user.hearth")


class Member(Settings):
    """One machine of the cluster."""

    host: HostName | None = Field(
        default=None, description="The machine: a key of `hearth:hosts`. Without it: of the member's own name."
    )
    address: MemberAddress = Field(description="Its address for the other members: one that does not change.")
    port: Port = Field(default=8443, description="Port of LXD's API at that address.")
    gpus: tuple[PciAddress, ...] = Field(
        default=(),
        description="Graphics cards that are kept from this machine for its virtual machines: the first function of "
        "each, as 0000:01:00.0.",
    )
    console_gpu: bool = Field(
        default=False, description="Whether one of `gpus` may be the card that drives the machine's own console."
    )
    restart: bool = Field(
        default=False, description="Whether the machine may be restarted where its `gpus` need that; `up` waits for it."
    )


class BridgePort(Settings):
    """A bridge on one member."""

    nic: CardName = Field(description="The network interface that is put into the bridge.")
    addresses: Annotated[tuple[Interface, ...], AfterValidator(each_once)] = Field(
        default=(), description="Addresses of the bridge, as 192.0.2.10/24. None: the bridge has only the link's own."
    )
    dhcp: bool = Field(default=False, description="Whether the bridge asks for its IPv4 address, as the NIC did.")
    gateway: MemberAddress | None = Field(default=None, description="The default route through it. Without it: none.")
    nameservers: MachineAddresses = Field(default=(), description="Name servers that are asked through it.")
    renderer: Literal["auto", "netplan", "networkd", "ifupdown"] = Field(
        default="auto", description="What configures the machine's network. `auto`: looked up there."
    )

    def rules(self) -> Rules:
        return (self._gateway_can_be_reached,)

    def _gateway_can_be_reached(self) -> Iterator[Disagreement]:
        if self.gateway and not any(self.gateway in address.network for address in self.addresses):
            rule = "gateway must be in the subnet of one of the addresses; correct it, or add the address"
            yield Disagreement("", rule)


class Bridge(Settings):
    """A bridge over a network interface of each member, for instances in the members' own network."""

    members: dict[MemberName, BridgePort] = Field(min_length=1, description="Per member: the interface, addresses.")
    route_check: MemberAddress | None = Field(
        default=None,
        description="Address that must answer through the bridge after the change, else the change is taken back. "
        "Without it: the connection that Hearth has itself.",
    )


class PoolMember(Settings):
    """What one member gives to a pool."""

    disk: DiskById | None = Field(
        default=None, description="The disk, by its id. It must be empty, or `wipe` must say otherwise. None: a file."
    )
    wipe: bool = Field(default=False, description="Whether what is on the disk is destroyed.")
    size: Bytes | None = Field(default=None, description="Size of the file that serves as disk. Not for `dir`.")

    def rules(self) -> Rules:
        return (self._one_source,)

    def _one_source(self) -> Iterator[Disagreement]:
        if self.wipe and not self.disk:
            yield Disagreement("", "wipe needs a disk that it is about; name the disk, or remove wipe")
        if self.disk and self.size:
            yield Disagreement("", "disk and size exclude each other, as a disk has its own size; remove one of them")


class Pool(Settings):
    """A storage pool, on every member."""

    driver: Literal["dir", "zfs", "btrfs"] = Field(default="dir", description="What keeps the instances' disks.")
    description: OneLine = Field(default="", description="A word about it.")
    config: Config = Field(default_factory=dict, description="LXD's keys that hold for the whole cluster.")
    members: dict[MemberName, PoolMember] = Field(
        default_factory=dict, description="Per member: the disk. Without it: as LXD does it by itself."
    )

    def rules(self) -> Rules:
        return (self._dir_has_no_disk,)

    def _dir_has_no_disk(self) -> Iterator[Disagreement]:
        if self.driver == "dir" and any(each.disk or each.size for each in self.members.values()):
            yield Disagreement("", "driver dir takes no disk and no size, as it is a folder; choose zfs or btrfs")


class Network(Settings):
    """A network that LXD makes on every member, with addresses and names of its own."""

    description: OneLine = Field(default="", description="A word about it.")
    ipv4: Interface | None = Field(default=None, description="Its address on each member, as 10.100.0.1/24. None: off.")
    ipv6: Interface | None = Field(default=None, description="The same for IPv6. None: off.")
    nat: bool = Field(default=True, description="Whether instances reach the outside by the member's address.")
    dhcp: bool = Field(default=True, description="Whether instances are given addresses.")
    between_members: bool = Field(
        default=False, description="Whether it reaches across members, through a VXLAN between them."
    )
    config: Config = Field(default_factory=dict, description="More of LXD's keys.")

    def rules(self) -> Rules:
        return (self._version_4, self._version_6)

    def _version_4(self) -> Iterator[Disagreement]:
        if self.ipv4 is not None and self.ipv4.version != 4:
            yield Disagreement("", "ipv4 must be an IPv4 address with its subnet; write it as 10.100.0.1/24")

    def _version_6(self) -> Iterator[Disagreement]:
        if self.ipv6 is not None and self.ipv6.version != 6:
            yield Disagreement("", "ipv6 must be an IPv6 address with its subnet; write it as fd42:1::1/64")


class Profile(Settings):
    """Configuration and devices that instances share."""

    description: OneLine = Field(default="", description="A word about it.")
    config: Config = Field(default_factory=dict, description="LXD's keys, as limits.memory.")
    devices: Devices = Field(default_factory=dict, description="Devices by name, each with its keys.")

    def rules(self) -> Rules:
        return (self._devices_have_a_type,)

    def _devices_have_a_type(self) -> Iterator[Disagreement]:
        for name, keys in self.devices.items():
            if "type" not in keys:
                yield Disagreement(f"devices.{name}", "must say its type, as LXD asks for it; add type, as disk or nic")


class Image(Settings):
    """An image that instances are made from, under an alias of its own."""

    remote: Literal["images", "ubuntu"] | None = Field(
        default=None, description="Public server that has it: images (all distributions) or ubuntu."
    )
    name: ImageTitle | None = Field(default=None, description="Its name there, as debian/13/cloud.")
    file: PlainFile | None = Field(
        default=None, description="Archive on the first member's machine that holds it (one file, metadata in it)."
    )

    def rules(self) -> Rules:
        return (self._one_source, self._named_there)

    def _one_source(self) -> Iterator[Disagreement]:
        if (self.remote is None) == (self.file is None):
            yield Disagreement("", "must have either remote or file, which say where it comes from; give one of them")

    def _named_there(self) -> Iterator[Disagreement]:
        if self.remote and not self.name:
            yield Disagreement("", "remote needs the image's name there; add name, as debian/13/cloud")
        if self.file and self.name:
            yield Disagreement("", "name is that of an image of remote, and file names none; remove name")


class InstanceUser(Settings):
    """A login of an instance."""

    keys: tuple[PublicKey, ...] = Field(default=(), description="Public keys that let in.")
    sudo: bool = Field(default=True, description="Whether it may become root without a password.")


class Instance(Settings):
    """A virtual machine, or a container."""

    member: MemberName = Field(description="The member that it runs on.")
    type: Literal["virtual-machine", "container"] = Field(
        default="virtual-machine", description="`container` where the machine has no KVM."
    )
    image: ResourceName = Field(description="The image: a key of `images`. A change is for new instances.")
    profiles: tuple[ResourceName, ...] | None = Field(
        default=None, description="Its profiles, in order. Without it: default and those of its type."
    )
    cpu: Annotated[int, Field(ge=1, le=512)] | None = Field(default=None, description="Processors.")
    memory: Bytes | None = Field(default=None, description="Memory.")
    disk: Bytes | None = Field(default=None, description="Size of its root disk. Not enforced on a `dir` pool.")
    addresses: dict[LinkName, Interface | None] = Field(
        default_factory=dict,
        description="Its networks (keys of `networks` or `bridges`), each with its address; null: by DHCP.",
    )
    gateway: MemberAddress | None = Field(default=None, description="Its default route. Without it: as DHCP says.")
    gpus: tuple[PciAddress, ...] = Field(default=(), description="Cards of its member that it is given.")
    gpu_driver: tuple[PackageName, ...] = Field(
        default=(), description="Packages of the cards' driver, installed in it. Without it: as its image has it."
    )
    users: dict[AccountName, InstanceUser] = Field(default_factory=dict, description="Logins, made at first boot.")
    packages: tuple[PackageName, ...] = Field(default=(), description="Packages, installed at first boot.")
    config: Config = Field(default_factory=dict, description="More of LXD's keys.")
    running: bool = Field(default=True, description="Whether it runs.")
    replace: bool = Field(default=False, description="Whether a change may make it anew, with the loss of its disk.")


class Ssh(Settings):
    """SSH among the machines of the cluster."""

    user: SomebodysName = Field(description="The user whose key is made on each machine, and whom the others let in.")
    key: SshKeyFile | None = Field(default=None, description="Its key. Without it: ~/.ssh/id_ed25519_hearth.")


class Environment(Settings):
    """The environment file on each machine: variables for those who work there. Secret ones are keys of their own."""

    path: SharedFile = Field(default=PurePosixPath("/etc/thinkube/env"), description="The file; mode 0600.")
    owner: AccountName = Field(default="root", description="Whose file it is.")
    link: LinkPlace | None = Field(default=None, description="A link to it, as ~/.env. Without it: none.")
    variables: dict[Variable, VariableValue] = Field(default_factory=dict, description="Variables that are no secrets.")
    required: tuple[Variable, ...] = Field(
        default=(), description="Variables that must be there; those not in `variables` come from the secret."
    )


class Overlay(Settings):
    """The machines' overlay network, by ZeroTier."""

    network: ZeroTierNetwork = Field(description="The network's id.")
    addresses: dict[MemberName, Interface] = Field(
        default_factory=dict, description="Each member's address in it. Without one: as the controller gives it."
    )
    controller: Address | None = Field(
        default=None, description="A machine of one's own that is its controller. Without it: ZeroTier Central."
    )
    routes: tuple[Subnet, ...] = Field(
        default=(), description="Networks that the overlay routes, for the check that none of them covers a LAN."
    )


class Dns(Settings):
    """Names for all of it, by bind9 on one member."""

    member: MemberName = Field(description="The member that answers.")
    domain: DomainName = Field(description="The zone.")
    addresses: MachineAddresses = Field(
        default=(), description="Addresses that it listens on. Without them: the member's own, and loopback."
    )
    records: dict[HostLabel, RecordAddresses] = Field(
        default_factory=dict, description="More names in the zone, each with its addresses."
    )
    aliases: dict[HostLabel, DomainName] = Field(
        default_factory=dict, description="Names in the zone that stand for another name, given whole."
    )
    wildcard: MemberName | None = Field(
        default=None, description="The instance or member that every other name of the zone leads to."
    )
    reverse: bool = Field(default=True, description="Whether addresses lead back to names.")
    forwarders: MachineAddresses = Field(default=(), description="Who is asked for all other names.")
    clients: tuple[Subnet, ...] = Field(
        default=(), description="Networks whose machines may ask for other names. Without them: the zone's own."
    )
    parent: DomainName | None = Field(
        default=None, description="The zone above, if this server has that too and delegates from it."
    )
