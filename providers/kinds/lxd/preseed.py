"""Preseeds: what `lxd init --preseed` reads on stdin to begin a cluster or to join one. Pure functions.

Pools and networks are no part of them: a pool's or network's keys of one member are refused in a cluster's preseed
(canonical/lxd#10478), and what fails there stays half made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

MEMBER_KEYS = {
    "storage-pool": (
        "size",
        "source",
        "source.wipe",
        "volatile.initial_source",
        "zfs.pool_name",
        "lvm.thinpool_name",
        "lvm.vg_name",
    ),
    "network": ("bgp.ipv4.nexthop", "bgp.ipv6.nexthop", "bridge.external_interfaces", "parent"),
}
"""Keys that each member has for itself. Source: lxd 5.0 db.StoragePoolNodeConfigKeys, db.NodeSpecificNetworkConfig."""


def split(kind: str, config: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return a pool's or network's keys: those of the cluster, and those that each member has for itself."""
    own = MEMBER_KEYS[kind]
    return (
        {key: value for key, value in config.items() if key not in own},
        {key: value for key, value in config.items() if key in own},
    )


def bootstrap(name: str, address: str) -> str:
    """Return the preseed with which a member begins a cluster. `address` is host:port, IPv6 in brackets."""
    return _text({"config": {"core.https_address": address}, "cluster": {"server_name": name, "enabled": True}})


def join(name: str, address: str, token: str, member_config: Sequence[Mapping[str, str]]) -> str:
    """Return the preseed with which a member joins. It holds the token, which lets in once: for stdin only."""
    cluster = {
        "enabled": True,
        "server_name": name,
        "server_address": address,
        "cluster_token": token,
        "member_config": [dict(entry) for entry in member_config],
    }
    return _text({"cluster": cluster})


def member_config(
    pools: Mapping[str, Mapping[str, str]], networks: Mapping[str, Mapping[str, str]]
) -> list[dict[str, str]]:
    """Return what a joining member brings for each pool and network: entity, name, key and value."""
    found: list[dict[str, str]] = []
    for entity, group in (("storage-pool", pools), ("network", networks)):
        for name, config in sorted(group.items()):
            _, own = split(entity, config)
            found += [{"entity": entity, "name": name, "key": key, "value": own[key]} for key in sorted(own)]
    return found


def _text(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=False)
