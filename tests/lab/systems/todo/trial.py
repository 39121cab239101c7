"""What the todo app is given on the lab's cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.kubernetes.cluster import Cluster

SECRETS = {
    "todo-auth-secret": "canary-signing-key-0123456789abcdef",
    "todo-postgres-password": "canary/p@ss word:9",
}


def trial(cluster: Cluster, images: Mapping[str, str], space: str, host: str) -> dict[str, Any]:
    """Return the settings, for a namespace and a host name of its own."""
    return {
        "context": "hearth-lab",
        "namespace": space,
        "environment": "trial",
        "backend": {"image": images["backend"]},
        "frontend": {"image": images["frontend"]},
        "ingress": {"host": host, "class-name": "traefik"},
        "postgres": {"enabled": True},
        "start-timeout": 240,
        "values": {
            # Its data is its pod's: it stays on the node that is never drained.
            "postgresql": {
                "nodeSelector": {"kubernetes.io/hostname": cluster.nodes[0].name},
                # The lab's kubelets renew mounted Secrets within 15 s.
                "passwordGraceSeconds": 20,
            },
            # The checks wait for what a probe finds out, twice; the chart's own 10 s are no better tried.
            "backend": {"probes": {"liveness": {"periodSeconds": 4}}},
        },
    }
