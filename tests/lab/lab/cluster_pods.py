"""Small pods on the lab's cluster, for tests of the cluster itself: web servers that tell where they run."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.kubernetes.cluster import Cluster
from tests.lab.support import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSYBOX = "registry:5000/secondbrain/backend:latest"
SERVE = "mkdir -p /tmp/www; echo $NODE $(hostname) > /tmp/www/index.html; exec httpd -f -p 8000 -h /tmp/www"


def get(address: str, host: str, path: str = "/") -> tuple[int, str]:
    """Ask the ingress for a host; 0 where it can't be reached."""
    request = urllib.request.Request(f"http://{address}{path}", headers={"Host": host})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    """Apply objects on the server's side."""
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(json.dumps(one) for one in objects))


def make_namespace(cluster: Cluster, name: str, labels: dict[str, str] | None = None) -> None:
    """Make a namespace, and wait for the account that pods need: the API server refuses them until it is there."""
    apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
    account = ("-n", name, "get", "serviceaccount", "default")
    until(lambda: cluster.kubectl(*account, check=False).ok, f"{name} has its account")


def _web(space: str, name: str, replicas: int) -> list[dict[str, Any]]:
    """Return a deployment that tells its node and its pod, spread over the nodes, and its service."""
    labels = {"app": name}
    node = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    container = {
        "name": "web",
        "image": BUSYBOX,
        "command": ["sh", "-c", SERVE],
        "env": [node],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {"containers": [container], "topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 5}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": space},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    return [deployment, service]


def living(kubectl: Callable[..., str], selector: str) -> list[dict[str, Any]]:
    """Return the pods that a kubectl finds by their labels and that are not on their way out."""
    found = json.loads(kubectl("get", "pods", "-l", selector, "-o", "json"))
    return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]


@dataclass(frozen=True)
class Space:
    """A namespace on the cluster."""

    cluster: Cluster
    name: str

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.name, *words, timeout=330).stdout

    def apply(self, kind: str, name: str, spec: dict[str, Any], version: str = "networking.k8s.io/v1") -> None:
        """Make an object, or change it."""
        place = {"name": name, "namespace": self.name}
        apply(self.cluster, {"apiVersion": version, "kind": kind, "metadata": place, "spec": spec})

    def serve(self, name: str, replicas: int = 2) -> None:
        """Have web servers, spread over the nodes, with a Service; wait until they are ready."""
        apply(self.cluster, *_web(self.name, name, replicas))
        self.settle(name)

    def settle(self, name: str) -> None:
        """Wait until as many as there should be are ready."""
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s")

    def pods(self, app: str) -> list[dict[str, Any]]:
        """Return the pods of an app that are not on their way out."""
        return living(self.kubectl, f"app={app}")

    def nodes(self, app: str) -> set[str]:
        """Return where they run."""
        return {pod["spec"]["nodeName"] for pod in self.pods(app)}

    def inside(self, pod: str, command: str) -> str:
        """Run a shell command in a pod."""
        return self.kubectl("exec", pod, "--", "sh", "-c", command)


@contextlib.contextmanager
def space_on(cluster: Cluster, name: str) -> Iterator[Space]:
    """Yield a namespace with two web servers in it, `web`, behind an Ingress for `web.example`."""
    make_namespace(cluster, name)
    made = Space(cluster, name)
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "web.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    made.apply("Ingress", "web", {"ingressClassName": "traefik", "rules": [rule]})
    made.serve("web")
    try:
        yield made
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
