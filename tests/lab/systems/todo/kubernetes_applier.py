"""Carries out, on the lab's cluster, what a program registers: namespaces, Secrets, Jobs and charts.

A stand-in for the engine with the Kubernetes provider, which can't be had everywhere: it applies what the component
describes with kubectl, and renders charts with helm, as `helm.v4.Chart` does. So a description that the API server
refuses, or that does not work, is seen. It waits as the provider waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from lab.kubernetes.cluster import Cluster
from tests.lab.support import until
from tests.lab.systems.core.docker_applier import plain_values
from toolchain.waiting import as_it_is, wait_until

WAIT_SECONDS = 240
KINDS = {
    "kubernetes:core/v1:Namespace": ("v1", "Namespace"),
    "kubernetes:core/v1:Secret": ("v1", "Secret"),
    "kubernetes:batch/v1:Job": ("batch/v1", "Job"),
}
CHART = "kubernetes:helm.sh/v4:Chart"


class Applier:
    """An answer for a Recorder that makes things come true."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.done: list[str] = []
        """Names of the resources, in the order in which they were there."""

    def __call__(self, token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if token.startswith("pulumi:providers:"):
            return {}
        plain = plain_values(inputs)
        if token == CHART:
            self._chart(plain)
        elif token in KINDS:
            version, kind = KINDS[token]
            self._apply([{"apiVersion": version, "kind": kind, **plain}])
            if kind == "Job":
                self._wait_for_job(plain["metadata"])
        else:
            raise AssertionError(f"nobody here carries out {token}")
        self.done.append(name)
        return {"resources": []} if token == CHART else {}

    def _apply(self, objects: list[dict[str, Any]]) -> None:
        text = "\n---\n".join(json.dumps(each) for each in objects)
        self._cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def _chart(self, plain: Mapping[str, Any]) -> None:
        space = plain["namespace"]
        # As helm.v4.Chart: no hooks, no tests.
        words = ["template", plain["name"], plain["chart"], "--namespace", space, "--no-hooks", "--values", "-"]
        text = self._cluster.helm(*words, stdin=json.dumps(plain["values"])).stdout
        objects = [each for each in yaml.safe_load_all(text) if each]
        self._apply(objects)
        for each in objects:
            kind, name = each["kind"], each["metadata"]["name"]
            if kind in ("Deployment", "StatefulSet"):
                rollout = ("rollout", "status", f"{kind}/{name}", f"--timeout={WAIT_SECONDS}s")
                self._cluster.kubectl("-n", space, *rollout, timeout=WAIT_SECONDS + 30)
            if kind == "Ingress":
                self._wait_for_address(space, name)

    def _wait_for_job(self, metadata: Mapping[str, Any]) -> None:
        where = ("-n", metadata["namespace"])

        def ended() -> set[str]:
            found = json.loads(self._cluster.kubectl(*where, "get", "job", metadata["name"], "-o", "json").stdout)
            kinds = {each["type"] for each in found["status"].get("conditions", []) if each["status"] == "True"}
            return kinds & {"Complete", "Failed"}

        if "Complete" not in wait_until(ended, WAIT_SECONDS, as_it_is, pause=0.5):
            log = self._cluster.kubectl(*where, "logs", f"job/{metadata['name']}", check=False)
            raise AssertionError(log.stdout + log.stderr)

    def _wait_for_address(self, space: str, name: str) -> None:
        words = ("-n", space, "get", "ingress", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        until(lambda: self._cluster.kubectl(*words).stdout, f"the ingress {name} has an address", WAIT_SECONDS)
