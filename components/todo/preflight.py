"""Whether the todo app's cluster can be used, asked before anything of any system is registered."""

from __future__ import annotations

import pulumi

from components.blocks.kubernetes_cluster import KubernetesCluster
from components.todo import values
from config.systems.todo import Todo
from providers.errors import HearthError


class NamespaceTaken(HearthError, pulumi.RunError, ValueError):
    """The namespace is there, and nothing in it says that it is this app's; the message names both."""


def reach(settings: Todo) -> None:
    """Raise ClusterUnusable where the cluster does not answer.

    The Kubernetes provider would say it once for every object, after minutes of trying, while other systems are half
    done. Raises NamespaceTaken where `up` would take over somebody else's namespace. A preview goes on without the
    cluster, and the component says so.
    """
    cluster = KubernetesCluster(settings.kubeconfig_file(), settings.context)
    if cluster.away(settings.reach_timeout):
        return
    cluster.reach(settings.reach_timeout)
    # Here too where no data is kept: older releases of the provider (4.25) take over whatever is there.
    _refuse_what_is_not_ours(cluster, settings)


def _refuse_what_is_not_ours(cluster: KubernetesCluster, settings: Todo) -> None:
    """Refuse a namespace that is not ours: one with kept data is there when the app comes back, and is taken over.

    So that no other is, it has to bear our labels, or hold what only this app leaves there.
    """
    name = settings.namespace
    found = cluster.ask(f"/api/v1/namespaces/{name}")
    if found is None or values.OWNER.items() <= (found["metadata"].get("labels") or {}).items():
        return
    left = (f"secrets/{values.secret_name(settings)}", f"persistentvolumeclaims/data-{settings.name}-postgresql-0")
    if any(cluster.ask(f"/api/v1/namespaces/{name}/{path}") for path in left):
        return
    raise NamespaceTaken(
        f'the namespace "{name}" of the context "{settings.context}" is there already, and is not the todo app\'s; '
        "nothing was touched",
        remedy="write another hearth:todo.namespace, or remove that one if nobody needs what is in it",
    )
