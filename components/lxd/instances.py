"""An instance's configuration and devices, from the settings: pure functions.

Source of cloud-init's keys: cloud-init 25.1 modules reference (users and groups, package update, set hostname).
"""

from __future__ import annotations

from typing import Any

import yaml

from components.lxd.profiles import nic, profiles, root_disk
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Instance

USUAL = {
    "container": ("default", "container"),
    "virtual-machine": ("default", "vm-base", "vm-networks", "vm-resources"),
}
HEAD = "#cloud-config\n"


def profiles_of(instance: Instance) -> list[str]:
    """Return the profiles that an instance has, in order."""
    if instance.profiles is not None:
        return list(instance.profiles)
    return [*USUAL[instance.type], *(("vm-gpu", "gpu-passthrough") if instance.gpus else ())]


def user_data(name: str, instance: Instance, domain: str | None) -> str:
    """Return what cloud-init reads at the first boot: the name, the logins and the packages."""
    content: dict[str, Any] = {"hostname": name, "ssh_pwauth": False}
    if domain:
        content["fqdn"] = f"{name}.{domain}"
        content["prefer_fqdn_over_hostname"] = False
        # `hostname --fqdn` asks the file of hosts first. The entry alone, not a template over the whole file.
        content["manage_etc_hosts"] = "localhost"
    if instance.users:
        content["users"] = [
            {
                "name": user,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "ssh_authorized_keys": list(login.keys),
                **({"sudo": "ALL=(ALL) NOPASSWD:ALL"} if login.sudo else {}),
            }
            for user, login in sorted(instance.users.items())
        ]
    if instance.packages:
        content["package_update"] = True
        content["packages"] = list(instance.packages)
    return HEAD + yaml.safe_dump(content, sort_keys=False)


def network_data(settings: Lxd, name: str) -> str:
    """Return what cloud-init reads of the network; empty where LXD's own DHCP servers say all of it.

    On a bridge of the machine's nobody else gives the instance the address that it is to have.
    """
    instance = settings.instances[name]
    on_bridges = [link for link, address in instance.addresses.items() if link in settings.bridges and address]
    if not on_bridges and instance.gateway is None:
        return ""
    links: dict[str, Any] = {}
    for number, (link, address) in enumerate(instance.addresses.items()):
        if link in settings.bridges and address is not None:
            links[f"eth{number}"] = {"addresses": [str(address)]}
        else:
            links[f"eth{number}"] = {"dhcp4": True}
            if instance.gateway is not None:
                links[f"eth{number}"]["dhcp4-overrides"] = {"use-routes": False}
        if instance.gateway is not None and address is not None and instance.gateway in address.network:
            links[f"eth{number}"]["routes"] = [{"to": "0.0.0.0/0", "via": str(instance.gateway)}]
            if instance.gateway.version == 6:
                links[f"eth{number}"]["routes"] = [{"to": "::/0", "via": str(instance.gateway)}]
    return yaml.safe_dump({"version": 2, "ethernets": links}, sort_keys=False)


def config_of(settings: Lxd, name: str) -> dict[str, str]:
    """Return LXD's keys of an instance: what the settings give by name, and over that LXD's own keys."""
    instance = settings.instances[name]
    found = {"user.user-data": user_data(name, instance, settings.dns.domain if settings.dns else None)}
    if network := network_data(settings, name):
        found["user.network-config"] = network
    if instance.cpu is not None:
        found["limits.cpu"] = str(instance.cpu)
    if instance.memory is not None:
        found["limits.memory"] = instance.memory
    return {**found, **instance.config}


def name_servers_of(settings: Lxd, name: str) -> list[str]:
    """List the networks of LXD's that tell an instance of their name servers: it is in them by its profiles, or itself.

    They do by DHCP.
    """
    own, devices = profiles(settings), dict[str, Any]()
    for profile in profiles_of(settings.instances[name]):
        devices |= own[profile].devices
    found = {each.get("network") for each in {**devices, **devices_of(settings, name)}.values()}
    served = {link for link, each in settings.networks.items() if each.dhcp and (each.ipv4 or each.ipv6)}
    return [link for link in settings.networks if link in found & served]


def devices_of(settings: Lxd, name: str) -> dict[str, dict[str, str]]:
    """Return the devices of an instance: its place in each network, its disk where that has a size. Cards: gpu.py."""
    instance = settings.instances[name]
    found = {
        f"eth{number}": nic(settings, link, number, None if address is None else str(address.ip))
        for number, (link, address) in enumerate(instance.addresses.items())
    }
    if instance.disk is not None:
        found["root"] = root_disk(settings, instance.disk)
    return found
