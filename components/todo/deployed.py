"""What the todo app tells its checks."""

from __future__ import annotations

from collections.abc import Mapping

from components.blocks.kubernetes_cluster import DeployedOnCluster


class DeployedTodo(DeployedOnCluster):
    """A todo app on a cluster."""

    name: str
    """What names of objects begin with."""
    secret: str
    """Name of the Secret."""
    url: str
    replicas: Mapping[str, int]
    """Part -> how many pods it has at least."""
    environment: str
    """Name of the environment."""
    postgres: bool
    """Whether its database is in the cluster."""
    start_timeout: int
    """Seconds that pods may take to become ready."""
