"""The lab's Kubernetes cluster: Kubernetes' own programs on lab machines. See docs/lab.md."""

from lab.kubernetes.cluster import Cluster

__all__ = ["Cluster"]
