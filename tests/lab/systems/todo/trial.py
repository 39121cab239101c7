"""What the todo app is given on the lab's cluster, whoever brings it up there."""

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
        "kubeconfig": str(cluster.kubeconfig),
        "context": "hearth-lab",
        "namespace": space,
        "environment": "trial",
        "backend": {"image": images["backend"]},
        "frontend": {"image": images["frontend"]},
        "ingress": {"host": host, "class-name": "traefik"},
        "postgres": {"enabled": True},
    }
