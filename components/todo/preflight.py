"""Whether the todo app's cluster can be used, asked before anything of any system is registered."""

from __future__ import annotations

from components.blocks.kubernetes_cluster import Cluster
from config.systems.todo import Todo


def reach(settings: Todo) -> None:
    """Raises ClusterUnusable where the cluster does not answer: the Kubernetes provider would say it once for every
    object, after minutes of trying, while other systems are half done."""
    Cluster(settings.kubeconfig_file(), settings.context).reach(settings.reach_timeout)
