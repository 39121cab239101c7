"""Typed resources of the provider `hearth`. Made by `python -m providers.generate`: not to edit."""

# ruff: noqa: E501
# Annotations are types and no texts: the SDK evaluates them anew for each resource that a program declares.
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions


class Bridge(pulumi.CustomResource):
    """A bridge over a network interface of a machine, with the machine's own addresses on it.

    Manages the interface's place in the bridge, the bridge's addresses, and the files that say so at the next boot, those
    of cloud-init and others that name the interface among them. A change that shuts us out is taken back by the machine
    itself: see link_change.py. Addresses of others on the bridge stay. On destroy the interface gets back what it had.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Its name. A change replaces it."""
    nic: Output[str]
    """The interface in it. A change replaces it."""
    addresses: Output[Sequence[str] | None]
    """Its addresses, as 192.0.2.10/24."""
    dhcp: Output[bool]
    """Whether it asks for its IPv4 address, with the NIC's lease."""
    gateway: Output[str | None]
    """The default route. None: there is none through it."""
    nameservers: Output[Sequence[str] | None]
    """Name servers that are asked through it."""
    renderer: Output[str]
    """What configures the machine's network."""
    route_check: Output[str | None]
    """Address that must answer after the change, else it is taken back."""
    mac: Output[str]
    """Its hardware address."""
    configured_by: Output[str]
    """What configures the machine's network."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        nic: Input[str],
        addresses: Input[Sequence[Input[str]]] | None = None,
        dhcp: Input[bool] | None = None,
        gateway: Input[str] | None = None,
        nameservers: Input[Sequence[Input[str]]] | None = None,
        renderer: Input[str] | None = None,
        route_check: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "nic": nic,
            "addresses": addresses,
            "dhcp": dhcp,
            "gateway": gateway,
            "nameservers": nameservers,
            "renderer": renderer,
            "route_check": route_check,
            "mac": None,
            "configured_by": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:Bridge", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"routeCheck": "route_check", "configuredBy": "configured_by"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"route_check": "routeCheck", "configured_by": "configuredBy"}.get(prop, prop)


class Daemon(pulumi.CustomResource):
    """LXD (or Incus) on a machine: installed and answering, of no cluster yet.

    Manages the packages and, on destroy, everything that they leave behind: folders, accounts, subordinate ids, bridges,
    rules of the packet filter, and the kernel's settings for forwarding and router advertisements, which LXD changes. One
    that was there before stays. With `keep_data`, one that still has instances stays, too, with a warning.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    daemon: Output[str]
    """lxd or incus. A change replaces it."""
    keep_data: Output[bool]
    """Whether destroy leaves it in place where it has instances."""
    extra: Output[Sequence[str] | None]
    """Packages of Debian that come with it, as zfsutils-linux for a pool of that kind."""
    version: Output[str]
    """The daemon's version."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        daemon: Input[str] | None = None,
        keep_data: Input[bool] | None = None,
        extra: Input[Sequence[Input[str]]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "daemon": daemon,
            "keep_data": keep_data,
            "extra": extra,
            "version": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:Daemon", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"keepData": "keep_data"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"keep_data": "keepData"}.get(prop, prop)


class GpuReservation(pulumi.CustomResource):
    """The graphics cards of a machine that are kept from it for its virtual machines, from its boot on.

    Manages four files (a script of the initramfs, GRUB's options, two of modprobe's), the initramfs and GRUB's list of
    kernels made from them, and which driver has the cards' functions. A card is never taken from a driver that runs: where
    one does, a restart of the machine makes the difference, and is made where the settings allow it. Does not manage the
    drivers within virtual machines, nor boot loaders other than GRUB.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    cards: Output[Sequence[str]]
    """PCI address of the first function of each card, as 0000:01:00.0."""
    console: Output[bool]
    """Whether a card may be one that drives the machine's own console, which goes dark then."""
    restart: Output[bool]
    """Whether the machine may be restarted where that is needed; `up` waits for it."""
    functions: Output[Sequence[str]]
    """Every function of its cards, the first of each card first."""
    waiting: Output[str]
    """Why the machine has to be restarted first; empty where it need not."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        cards: Input[Sequence[Input[str]]],
        console: Input[bool] | None = None,
        restart: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "cards": cards,
            "console": console,
            "restart": restart,
            "functions": None,
            "waiting": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:GpuReservation", resource_name, properties, opts)


class Member(pulumi.CustomResource):
    """A member of an LXD cluster: the machine begins the cluster, or joins it through a machine that is in it already.

    Manages membership, the member's address, and that it is online and takes instances. A join token is asked for where it
    is needed, handed over on stdin, and kept nowhere. On destroy the member is drained, leaves the cluster, and its daemon
    is as it was installed; the last one takes the cluster with it. A member that was one before stays.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """The member's name. A change replaces it."""
    address: Output[str]
    """Where its API answers the others: host:port, IPv6 in brackets."""
    daemon: Output[str]
    """lxd or incus."""
    via: Output[str | None]
    """Machine of a member through which it joins. None: it begins the cluster."""
    peers: Output[Sequence[str] | None]
    """Machines whose versions and clocks must agree with it before anything is done."""
    pools: Output[Mapping[str, Mapping[str, str]] | None]
    """Pool -> its keys of this member alone, for a later join."""
    wipe: Output[Sequence[str] | None]
    """Pools whose disk of this member may be overwritten although it is not empty."""
    networks: Output[Mapping[str, Mapping[str, str]] | None]
    """Network -> its keys of this member alone, for a later join."""
    state: Output[str]
    """Online, or drained of its instances."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        address: Input[str],
        daemon: Input[str] | None = None,
        via: Input[str] | None = None,
        peers: Input[Sequence[Input[str]]] | None = None,
        pools: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        wipe: Input[Sequence[Input[str]]] | None = None,
        networks: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        state: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "address": address,
            "daemon": daemon,
            "via": via,
            "peers": peers,
            "pools": pools,
            "wipe": wipe,
            "networks": networks,
            "state": state,
            "machine": None,
        }
        super().__init__("hearth:lxd:Member", resource_name, properties, opts)


class StoragePool(pulumi.CustomResource):
    """A storage pool of an LXD cluster, on every member.

    Manages the description and the keys that are given. What each member brings (a disk, a size) is for its making alone.
    On destroy a pool of Hearth's goes, unless something still uses it, and its disks are empty again; one that was there
    gets back what it had.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the pool. A change replaces it."""
    driver: Output[str]
    """What keeps the data. A change replaces it."""
    daemon: Output[str]
    """lxd or incus."""
    description: Output[str]
    """A word about it."""
    config: Output[Mapping[str, str] | None]
    """LXD's keys that hold for the whole cluster."""
    member_config: Output[Mapping[str, Mapping[str, str]] | None]
    """Member -> its own keys, as source: /dev/disk/by-id/... For making alone."""
    machines: Output[Mapping[str, str] | None]
    """Member -> its machine, where a disk is looked at."""
    wipe: Output[Sequence[str] | None]
    """Members whose disk may be overwritten although it is not empty."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        driver: Input[str],
        daemon: Input[str] | None = None,
        description: Input[str] | None = None,
        config: Input[Mapping[str, Input[str]]] | None = None,
        member_config: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        machines: Input[Mapping[str, Input[str]]] | None = None,
        wipe: Input[Sequence[Input[str]]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "driver": driver,
            "daemon": daemon,
            "description": description,
            "config": config,
            "member_config": member_config,
            "machines": machines,
            "wipe": wipe,
            "machine": None,
        }
        super().__init__("hearth:lxd:StoragePool", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"memberConfig": "member_config"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"member_config": "memberConfig"}.get(prop, prop)


class Network(pulumi.CustomResource):
    """A network that LXD makes on every member of a cluster: a bridge with addresses, names, and NAT.

    Manages the description and the keys that are given. Keys that LXD chose by itself stay as they are. On destroy a
    network of Hearth's goes, unless something still uses it; one that was there gets back what it had.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the network and its bridge. A change replaces it."""
    daemon: Output[str]
    """lxd or incus."""
    description: Output[str]
    """A word about it."""
    config: Output[Mapping[str, str] | None]
    """LXD's keys, as ipv4.address: 10.100.0.1/24."""
    member_config: Output[Mapping[str, Mapping[str, str]] | None]
    """Member -> its own keys. For making alone."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        daemon: Input[str] | None = None,
        description: Input[str] | None = None,
        config: Input[Mapping[str, Input[str]]] | None = None,
        member_config: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "daemon": daemon,
            "description": description,
            "config": config,
            "member_config": member_config,
            "machine": None,
        }
        super().__init__("hearth:lxd:Network", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"memberConfig": "member_config"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"member_config": "memberConfig"}.get(prop, prop)


class Profile(pulumi.CustomResource):
    """A profile of an LXD cluster: configuration and devices that instances share.

    Manages the keys and the devices that are given, and the description. Keys and devices of others stay. A profile that
    was there before (`default` always is) gets back on destroy what it had; one that instances still use stays, with a
    warning.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the profile. A change replaces it."""
    daemon: Output[str]
    """lxd or incus."""
    description: Output[str]
    """A word about it."""
    config: Output[Mapping[str, str] | None]
    """LXD's keys and their values, as limits.memory: 2GiB."""
    devices: Output[Mapping[str, Mapping[str, str]] | None]
    """Devices by name, each with its keys: type and so on."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        daemon: Input[str] | None = None,
        description: Input[str] | None = None,
        config: Input[Mapping[str, Input[str]]] | None = None,
        devices: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "daemon": daemon,
            "description": description,
            "config": config,
            "devices": devices,
            "machine": None,
        }
        super().__init__("hearth:lxd:Profile", resource_name, properties, opts)


class ClusterGroup(pulumi.CustomResource):
    """A group of members of an LXD cluster, for placing instances.

    Manages the description and which members are in it. On destroy the group goes; one that was there gets back what it
    had.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the group. A change replaces it."""
    daemon: Output[str]
    """lxd or incus."""
    description: Output[str]
    """A word about it."""
    members: Output[Sequence[str] | None]
    """Names of its members, in any order."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        daemon: Input[str] | None = None,
        description: Input[str] | None = None,
        members: Input[Sequence[Input[str]]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "daemon": daemon,
            "description": description,
            "members": members,
            "machine": None,
        }
        super().__init__("hearth:lxd:ClusterGroup", resource_name, properties, opts)


class Image(pulumi.CustomResource):
    """An image in an LXD cluster, under an alias: from a file on the machine, or from a public server.

    Manages that the alias leads to an image. Which one is settled when it is made: a later build on the public server is
    taken where the image is made anew. On destroy an image that Hearth brought goes; instances made from it do not mind.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    alias: Output[str]
    """The name under which it is known. A change replaces it."""
    daemon: Output[str]
    """lxd or incus."""
    file: Output[str | None]
    """An archive on the machine, metadata in it (image-format, unified)."""
    server: Output[str | None]
    """A public server (simplestreams): images, ubuntu, or a URL."""
    name: Output[str | None]
    """The image's name on that server, as debian/13/cloud."""
    type: Output[str | None]
    """container or virtual-machine. None: as the archive is; from a server, of containers."""
    fingerprint: Output[str]
    """SHA-256 of the image."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        alias: Input[str],
        daemon: Input[str] | None = None,
        file: Input[str] | None = None,
        server: Input[str] | None = None,
        name: Input[str] | None = None,
        type: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "alias": alias,
            "daemon": daemon,
            "file": file,
            "server": server,
            "name": name,
            "type": type,
            "fingerprint": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:Image", resource_name, properties, opts)


class Instance(pulumi.CustomResource):
    """An instance of an LXD cluster: a container or a virtual machine.

    Manages the keys and devices that are given, the profiles, the description, the member it is on, and whether it runs.
    What LXD changes in place is changed in place, and the hardware addresses stay; another image or type would make it
    anew, with the loss of its disk, and is refused unless `replace` allows it. Cloud-init's keys are read at the first
    boot: a change of them reaches new instances only. On destroy it goes with its disk, unless `keep_data`.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Its name. A change replaces it."""
    image: Output[str]
    """Alias of the image that it is made from."""
    daemon: Output[str]
    """lxd or incus."""
    type: Output[str]
    """What it is."""
    member: Output[str | None]
    """The member that it is on. A change moves it, while stopped."""
    description: Output[str]
    """A word about it."""
    profiles: Output[Sequence[str] | None]
    """Its profiles, in order."""
    config: Output[Mapping[str, str] | None]
    """LXD's keys and their values."""
    devices: Output[Mapping[str, Mapping[str, str]] | None]
    """Devices by name, each with its keys."""
    running: Output[bool]
    """Whether it runs."""
    replace: Output[bool]
    """Whether a change may make it anew, with the loss of its disk."""
    keep_data: Output[bool]
    """Whether destroy leaves it in place."""
    status: Output[str]
    """Running, Stopped, Frozen or Error."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        image: Input[str],
        daemon: Input[str] | None = None,
        type: Input[str] | None = None,
        member: Input[str] | None = None,
        description: Input[str] | None = None,
        profiles: Input[Sequence[Input[str]]] | None = None,
        config: Input[Mapping[str, Input[str]]] | None = None,
        devices: Input[Mapping[str, Input[Mapping[str, Input[str]]]]] | None = None,
        running: Input[bool] | None = None,
        replace: Input[bool] | None = None,
        keep_data: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "image": image,
            "daemon": daemon,
            "type": type,
            "member": member,
            "description": description,
            "profiles": profiles,
            "config": config,
            "devices": devices,
            "running": running,
            "replace": replace,
            "keep_data": keep_data,
            "status": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:Instance", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"keepData": "keep_data"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"keep_data": "keepData"}.get(prop, prop)


class OverlayMember(pulumi.CustomResource):
    """A machine in a ZeroTier network: it has joined, its controller has let it in, and it has its address.

    Manages the membership on both sides. A network whose routes cover one of the machine's own networks is not joined: the
    machine would be cut off (zerotier/ZeroTierOne#787). On destroy the member is put out and leaves; one that was in the
    network before stays. Does not manage the network itself, its routes and its rules.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    network: Output[str]
    """The network's id. A change replaces the resource."""
    token: Output[str]
    """Lets in at the controller. Give a secret."""
    name: Output[str]
    """What the member is called at ZeroTier Central."""
    controller: Output[str | None]
    """Address of a controller of one's own. None: ZeroTier Central."""
    address: Output[str | None]
    """Its address in the network. None: as the controller gives."""
    lans: Output[Sequence[str] | None]
    """Networks that no route of the overlay may cover."""
    joined: Output[str]
    """How the machine sees the network. Always OK."""
    node: Output[str]
    """The machine's own address in ZeroTier: ten digits."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        network: Input[str],
        token: Input[str],
        name: Input[str],
        controller: Input[str] | None = None,
        address: Input[str] | None = None,
        lans: Input[Sequence[Input[str]]] | None = None,
        joined: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "network": network,
            "token": token,
            "name": name,
            "controller": controller,
            "address": address,
            "lans": lans,
            "joined": joined,
            "node": None,
            "machine": None,
        }
        super().__init__("hearth:lxd:OverlayMember", resource_name, properties, opts)
