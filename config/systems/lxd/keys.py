"""Keys of LXD's own that the settings may not hold: those that Hearth sets, and those that a setting has a word for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.systems.lxd import parts
from config.systems.lxd.known import Found, Known

OWN_KEYS: Mapping[str, Mapping[str, str]] = {
    "networks": {
        **{f"{family}.address": f"write it as {family}" for family in ("ipv4", "ipv6")},
        **{f"{family}.nat": "write it as nat" for family in ("ipv4", "ipv6")},
        **{f"{family}.dhcp": "write it as dhcp" for family in ("ipv4", "ipv6")},
        "tunnel.hearth.protocol": "write it as between-members",
        "tunnel.hearth.id": "write it as between-members",
    },
    "pools": {
        "source": "write it per member: members.NAME.disk",
        "size": "write it per member: members.NAME.size",
    },
}
"""Keys of LXD's that a setting has a word for: both could differ, and what follows from the setting would be wrong."""


def keys(known: Known) -> Found:
    """Yield keys that LXD or Hearth sets by itself."""
    for kind in ("instances", "profiles", "networks", "pools"):
        group: dict[str, Any] = getattr(known, kind)
        for name, settings in group.items():
            for key in settings.config:
                if key.startswith(parts.RESERVED_CONFIG):
                    yield (kind, name, "config", key), "is a key that is set by itself; remove it"
                elif remedy := OWN_KEYS.get(kind, {}).get(key):
                    yield (kind, name, "config", key), f"is set by a setting of its own; {remedy}"
    for name, instance in known.instances.items():
        said = {
            "limits.cpu": instance.cpu is not None,
            "limits.memory": instance.memory is not None,
            "user.user-data": bool(instance.users or instance.packages),
            "cloud-init.user-data": bool(instance.users or instance.packages),
        }
        for key in instance.config.keys() & {key for key, given in said.items() if given}:
            yield ("instances", name, "config", key), "is told twice, by a setting and by this; remove one of them"
    for name, network in known.networks.items():
        if "raw.dnsmasq" in network.config and (known.dns or network.between_members):
            rule = "is written by Hearth where there is dns or between-members; remove it"
            yield ("networks", name, "config", "raw.dnsmasq"), rule
    environment = known.environment
    if environment is not None:
        for number, name in enumerate(environment.required):
            if environment.required.index(name) != number:
                yield ("environment", "required", number), f"is {name}, which is there already; name it once"
            elif environment.variables.get(name) == "":
                yield ("environment", "variables", name), "is required and empty; give it a value, or require it not"
