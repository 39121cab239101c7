"""The todo app's chart by helm on the lab's cluster, and a volume for its database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from components.todo.values import image_values
from lab.kubernetes.cluster import Cluster
from tests.lab.support import until
from tests.lab.systems.todo.helm import CHART
from tests.lab.systems.todo.visitor import Visitor


class Releases:
    """Helm on the lab's cluster, in one namespace of its own, which is made."""

    def __init__(self, cluster: Cluster, images: Mapping[str, str], space: str) -> None:
        self.cluster, self.space = cluster, space
        cluster.kubectl("create", "namespace", space)
        # So the API server validates the chart's pods against the level as well.
        cluster.kubectl("label", "namespace", space, "pod-security.kubernetes.io/enforce=restricted")
        self._images = {part: {"image": image_values(image)} for part, image in images.items()}

    def helm(self, *words: str, **values: Any) -> str:
        whole = {**{part: {**self._images[part], **values.pop(part, {})} for part in ("backend", "frontend")}, **values}
        flags = ["--values", "-"] if words[0] in ("install", "upgrade", "template") else []
        return self.cluster.helm("--namespace", self.space, *words, *flags, stdin=json.dumps(whole), timeout=400).stdout

    def install(self, release: str, **values: Any) -> str:
        dev = f"--values={CHART / 'values-dev.yaml'}"
        return self.helm("install", release, str(CHART), dev, "--wait", "--timeout=360s", **values)

    def upgrade(self, release: str, **values: Any) -> None:
        words = ("upgrade", release, str(CHART), "--reset-then-reuse-values", "--wait", "--timeout=360s")
        self.helm(*words, **values)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.space, *words, stdin=stdin, timeout=330).stdout

    def environment(self, release: str) -> str:
        """Return what a release's pages say of themselves."""
        return Visitor(self.cluster.ingress_address, f"{release}.example").environment()

    def becomes(self, release: str, environment: str) -> None:
        """Wait until the pages say so: for a few seconds a proxy still asks pods that are on their way out."""
        until(lambda: self.environment(release) == environment, f"{release} says {environment}", 180)

    def deployed(self, release: str) -> dict[str, Any]:
        """Return what the checks need to know, as the component would say it."""
        return {
            "context": "hearth-lab",
            "namespace": self.space,
            "name": release,
            "secret": release,
            "address": self.cluster.ingress_address,
            "host": f"{release}.example",
            "tls": False,
            "url": f"http://{release}.example/",
            "replicas": {"backend": 2, "frontend": 2},
            "environment": "development",
            "postgres": True,
            "start_timeout": 120,
        }

    def remove(self) -> None:
        """Have the namespace go, with all that is in it; nobody has another one of its name."""
        self.cluster.kubectl("delete", "namespace", self.space, "--wait=false")


@contextmanager
def volume_by_hand(cluster: Cluster, name: str) -> Iterator[str]:
    """Yield a class of volumes with one volume, made by hand: the lab's cluster makes none by itself."""
    folder = f"/var/lib/{name}"
    cluster.nodes[0].run(f"install -d -o 999 -g 999 {folder}")
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": name,
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": folder, "type": "Directory"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "kubernetes.io/hostname", "operator": "In", "values": [cluster.nodes[0].name]}
                            ]
                        }
                    ]
                }
            },
        },
    }
    kind = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    cluster.kubectl("apply", "-f", "-", stdin=f"{json.dumps(kind)}\n---\n{json.dumps(volume)}")
    yield name
    cluster.kubectl("delete", f"persistentvolume/{name}", f"storageclass/{name}", "--wait=false")
