"""ZeroTier's local.conf: a pure function. Source: ZeroTierOne service/README.md (local configuration options)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

LOCAL_CONF = "/var/lib/zerotier-one/local.conf"
Subnet = IPv4Network | IPv6Network


def local_conf(links: Sequence[str], subnets: Sequence[Subnet]) -> str:
    """Return what keeps ZeroTier's own traffic off some interfaces, by how their names begin, and off some networks.

    Over the cluster's own bridges it would find a way through itself.
    """
    content = {
        "settings": {"interfacePrefixBlacklist": sorted(links), "allowTcpFallbackRelay": True},
        "physical": {str(subnet): {"blacklist": True} for subnet in sorted(subnets, key=str)},
    }
    return json.dumps(content, indent=2) + "\n"
