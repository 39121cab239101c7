"""What the todo app's objects on a cluster say: where they are, and what follows from them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from checks.cluster import View
from components.todo.deployed import DeployedTodo

Item = Mapping[str, Any]
SHORTEST = 6
"""Characters of a secret that is looked for: a shorter one is found in any text."""


def path_of(deployed: DeployedTodo, kind: str, name: str = "") -> str:
    """Return where the API server has a kind of object of the app's namespace, or one of them."""
    group = {"deployments": "/apis/apps/v1", "endpointslices": "/apis/discovery.k8s.io/v1"}.get(kind, "/api/v1")
    found = f"{group}/namespaces/{deployed.namespace}/{kind}"
    return f"{found}/{name}" if name else found


def pods_of(view: View, deployed: DeployedTodo, part: str) -> list[Item]:
    """Return the pods of a part that are not on their way out."""
    selector = f"app.kubernetes.io/instance={deployed.name},app.kubernetes.io/component={part}"
    found = view.ask(path_of(deployed, "pods"), labelSelector=selector) or {}
    return [pod for pod in found.get("items", []) if "deletionTimestamp" not in pod["metadata"]]


def replicas(deployment: Item | None, wanted: int) -> tuple[bool, str]:
    """Return whether a Deployment has all its pods, ready and new, and `wanted` or more of them; and what was seen."""
    if deployment is None:
        return False, "there is no Deployment"
    status, asked = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    ready, new, all_of_them = (status.get(key, 0) for key in ("readyReplicas", "updatedReplicas", "replicas"))
    return ready == new == all_of_them == asked >= wanted, f"{ready} of {asked} ready, {new} new, {all_of_them} in all"


def ready_endpoints(slices: Item) -> list[str]:
    """Return the addresses of the pods that a Service sends requests to."""
    pieces: list[Item] = slices.get("items", [])
    endpoints = [cast(Item, each) for piece in pieces for each in cast(list[Any], piece.get("endpoints") or [])]
    return [each["addresses"][0] for each in endpoints if each.get("conditions", {}).get("ready", True)]


def lacks(spec: Item) -> Iterator[str]:
    """Yield what a pod's description lacks of the level `restricted`, and of ours."""
    pod: Item = spec.get("securityContext") or {}
    if spec.get("automountServiceAccountToken", True):
        yield "a token of the cluster is mounted"
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own: Item = {**pod, **(container.get("securityContext") or {})}
        if own.get("runAsNonRoot") is not True:
            yield "may run as root"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "may gain privileges"
        if "ALL" not in cast(Item, own.get("capabilities") or {}).get("drop", []):
            yield "keeps capabilities"
        if cast(Item, own.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "has no seccomp profile"
        if own.get("readOnlyRootFilesystem") is not True:
            yield "has a writable root file system"


def fragments(values: Mapping[str, str]) -> dict[str, str]:
    """Return text that must be in no description -> the key that it belongs to.

    That is each secret, the password inside the database's address, and both in base64.
    """
    found = dict[str, str]()
    for key, value in values.items():
        password = urlsplit(value).password if "://" in value else None
        for text in (value, password or "", unquote(password or "")):
            if len(text) >= SHORTEST:
                found[text] = key
                found[base64.b64encode(text.encode()).decode()] = key
    return found


def probe_paths(deployment: Item) -> dict[str, str]:
    """Return the kind of probe -> the path that it asks for, of a Deployment's first container."""
    container: Item = deployment["spec"]["template"]["spec"]["containers"][0]
    kinds: Sequence[str] = ("startupProbe", "livenessProbe", "readinessProbe")
    return {kind: container.get(kind, {}).get("httpGet", {}).get("path", "none") for kind in kinds}
