"""The profiles of a cluster, from its settings: a pure function. Their names are those of the task list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.systems.lxd import Lxd

Config = Mapping[str, str]
Devices = Mapping[str, Config]


@dataclass(frozen=True)
class DesiredProfile:
    """A profile as it is wished for."""

    description: str
    config: Config = field(default_factory=dict[str, str])
    devices: Devices = field(default_factory=dict[str, Config])


def root_disk(settings: Lxd, size: str | None = None) -> dict[str, str]:
    """Return the device of an instance's own disk, on the first pool."""
    disk = {"type": "disk", "path": "/", "pool": next(iter(settings.pools))}
    return disk if size is None else {**disk, "size": size}


def nic(settings: Lxd, link: str, number: int, address: str | None = None) -> dict[str, str]:
    """Return the device of an instance in a network of LXD's, or on a bridge of its machine."""
    name = {"type": "nic", "name": f"eth{number}"}
    if link in settings.bridges:
        return {**name, "nictype": "bridged", "parent": link}
    where = {**name, "network": link}
    if address is None:
        return where
    return {**where, "ipv6.address" if ":" in address else "ipv4.address": address}


def _built_in(settings: Lxd) -> dict[str, DesiredProfile]:
    links = [*settings.networks, *settings.bridges]
    first = {"eth0": nic(settings, links[0], 0)} if links else {}
    always = {"boot.autostart": "true"}
    # A driver that was built on the machine itself is signed by nobody that its firmware trusts.
    unsigned = {"security.secureboot": "false"}
    return {
        "default": DesiredProfile("What every instance has", devices={"root": root_disk(settings), **first}),
        "container": DesiredProfile("Containers, also such as run containers", {**always, "security.nesting": "true"}),
        "vm-base": DesiredProfile("Virtual machines", {**always, **unsigned}),
        "vm-networks": DesiredProfile(
            "Every network", devices={f"eth{number}": nic(settings, link, number) for number, link in enumerate(links)}
        ),
        "vm-resources": DesiredProfile("A usual size", {"limits.cpu": "4", "limits.memory": "8GiB"}),
        "vm-gpu": DesiredProfile("Virtual machines with a card", unsigned),
        # The card itself is a device of the one instance that has it.
        "gpu-passthrough": DesiredProfile("A card of its machine's", {"migration.stateful": "false"}),
    }


def profiles(settings: Lxd) -> dict[str, DesiredProfile]:
    """Name -> profile: the usual ones, with what the settings add to them, and those of the settings."""
    found = _built_in(settings)
    for name, more in settings.profiles.items():
        old = found.get(name, DesiredProfile(""))
        found[name] = DesiredProfile(
            more.description or old.description, {**old.config, **more.config}, {**old.devices, **more.devices}
        )
    return found


def flat(config: Config, devices: Devices) -> dict[str, str]:
    """Return a profile's keys in one layer; those of a device as `device NAME KEY`."""
    own = {f"device {name} {key}": value for name, device in devices.items() for key, value in device.items()}
    return {**config, **own}
