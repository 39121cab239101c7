"""The files that make a lab machine a node of the cluster, as texts by path: pure functions.

What is the same on every node lies in lab/images/machine-kubernetes/.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.kubernetes.certificates import Pair, issue, kubeconfig, service_account_pair

if TYPE_CHECKING:
    from collections.abc import Iterable

PODS = ipaddress.IPv4Network("10.244.0.0/16")
API_SERVICE = "10.96.0.1"
API_PORT = 6443
FOLDER = "/etc/kubernetes"
NODE_UNITS = ("hearth-lab-node", "hearth-lab-names", "kubelet", "kube-proxy", "kube-router")
CONTROL_UNITS = ("kube-etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Node:
    """What is known of a node: its machine's name, its number (from 1) and its address."""

    name: str
    number: int
    address: str


def pod_range(number: int) -> str:
    """Return the addresses of the pods of the node with this number: a /24 of its own."""
    return f"{PODS.network_address + 256 * number}/24"


def node_environment(node: Node, others: Iterable[Node], cgroup: str) -> str:
    """Return node.env, which the node's units and its preparation read."""
    routes = " ".join(f"{other.number}={other.address}" for other in others if other.number != node.number)
    return f'NAME={node.name}\nADDRESS={node.address}\nNUMBER={node.number}\nCGROUP={cgroup}\nROUTES="{routes}"\n'


def pod_network(number: int) -> str:
    """Return the node's CNI configuration: each pod has a cable of its own to the node, which is its router."""
    addresses = {
        "type": "host-local",
        # Of this boot alone: after a power cut nothing is left that holds an address.
        "dataDir": "/run/cni/networks",
        "ranges": [[{"subnet": pod_range(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [{"type": "ptp", "ipam": addresses}, {"type": "portmap", "capabilities": {"portMappings": True}}]
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}, indent=2) + "\n"


def node_files(node: Node, authority: Pair, server: str) -> dict[str, str]:
    """Return what every node has: its CNI configuration, the credentials of its kubelet, its proxy and kube-router."""
    kubelet = issue(
        authority,
        f"system:node:{node.name}",
        groups=["system:nodes"],
        server_names=[node.name, node.address],
    )
    proxy = issue(authority, "system:kube-proxy")
    router = issue(authority, "kube-router")
    return {
        "/etc/cni/net.d/10-pods.conflist": pod_network(node.number),
        f"{FOLDER}/pki/ca.crt": authority.public,
        f"{FOLDER}/pki/kubelet.crt": kubelet.public,
        f"{FOLDER}/pki/kubelet.key": kubelet.key,
        f"{FOLDER}/kubelet.conf": kubeconfig(server, authority.public, kubelet, node.name),
        f"{FOLDER}/kube-proxy.conf": kubeconfig(server, authority.public, proxy, "kube-proxy"),
        f"{FOLDER}/kube-router.conf": kubeconfig(server, authority.public, router, "kube-router"),
    }


def control_plane_files(node: Node, authority: Pair, server: str) -> dict[str, str]:
    """Return what the first node has besides: the authority's key, and the control plane's credentials."""
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    names = [*service, API_SERVICE, node.name, node.address, "localhost", "127.0.0.1"]
    api_server = issue(authority, "kube-apiserver", server_names=names)
    to_kubelets = issue(authority, "kube-apiserver-kubelet-client", groups=["system:masters"])
    accounts = service_account_pair()
    files = {
        f"{FOLDER}/pki/ca.key": authority.key,
        f"{FOLDER}/pki/apiserver.crt": api_server.public,
        f"{FOLDER}/pki/apiserver.key": api_server.key,
        f"{FOLDER}/pki/apiserver-kubelet.crt": to_kubelets.public,
        f"{FOLDER}/pki/apiserver-kubelet.key": to_kubelets.key,
        f"{FOLDER}/pki/service-account.pub": accounts.public,
        f"{FOLDER}/pki/service-account.key": accounts.key,
    }
    for part in ("controller-manager", "scheduler"):
        pair = issue(authority, f"system:kube-{part}")
        files[f"{FOLDER}/{part}.conf"] = kubeconfig(server, authority.public, pair, part)
    return files


def server_url(address: str) -> str:
    """Return the API server's URL at a node's address."""
    return f"https://{address}:{API_PORT}"


def cgroup_of(table: str) -> str:
    """Return the control group that a machine's own lie in, from the text of its /proc/1/cgroup (cgroups(7))."""
    for line in table.splitlines():
        _, controllers, path = line.split(":", 2)
        # Version 1: the one for memory; version 2: the only one, of which systemd took a part for itself.
        if "memory" in controllers.split(",") or not controllers:
            return path.removesuffix("/init.scope") or "/"
    return "/"
