"""Values of the todo app's chart: pure functions, apart from the component."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from config.systems.todo import Todo
from config.systems.todo.parts import TodoPart

CHART = Path(__file__).resolve().parents[2] / "apps" / "todo" / "chart"
PARTS = ("backend", "frontend")
OWNER = {"app.kubernetes.io/managed-by": "hearth", "app.kubernetes.io/part-of": "todo"}
"""What tells that a namespace is the app's own."""
NAMESPACE_LABELS = {
    **OWNER,
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
    "pod-security.kubernetes.io/audit": "restricted",
}
"""OWNER, and what makes the API server refuse a pod that wants more than the level `restricted` grants."""
DATABASE_USER = "todo"
FORCED = {"pulumi.com/patchForce": "true"}
"""What somebody changed with another program is set right; without it, the API server refuses to. An annotation of each
object, as older releases of the provider know no option for all (4.25)."""
ONLY_APP = ("backend", "frontend", "ingress", "gateway", "config", "migrations")
"""Further values that say nothing about the database in the cluster."""


def further(settings: Todo, group: str) -> dict[str, Any]:
    """Return a group of the chart's values that the settings give besides; empty where they give none."""
    return cast(dict[str, Any], settings.values.get(group) or {})


def metadata(settings: Todo, name: str, **annotations: str) -> dict[str, Any]:
    """Name, namespace, labels and annotations of what is beside the chart's objects."""
    found = labels(settings)
    return {
        "name": name,
        "namespace": settings.namespace,
        # The API server keeps no empty group: it would show as drift for ever.
        **({"labels": found} if found else {}),
        "annotations": {**_annotations(settings), **annotations},
    }


def labels(settings: Todo) -> dict[str, str]:
    """Return what every object of the app is labelled with besides."""
    return dict(further(settings, "commonLabels"))


def _annotations(settings: Todo) -> dict[str, str]:
    return {**FORCED, **further(settings, "commonAnnotations")}


def image_values(reference: str) -> dict[str, str]:
    """Return an image's full name as the chart wants it: repository, tag and digest."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return {"repository": f"{folder}{slash}{last}", "tag": tag, "digest": digest}


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return two sets of values as Helm lays one over the other: groups key by key, all else as a whole."""
    result: dict[str, Any] = {**lower}
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(cast(Mapping[str, Any], below), cast(Mapping[str, Any], value))
        else:
            result[key] = value
    return result


def registry_name(settings: Todo) -> str:
    """Name of the Secret with which images are pulled."""
    return f"{settings.name}-registry"


def pull_secrets(settings: Todo) -> list[dict[str, str]]:
    """Return secrets with which pods pull their images: of the login, and of further values."""
    own = [{"name": registry_name(settings)}] if settings.registry_login else []
    return [*own, *(settings.values.get("imagePullSecrets") or [])]


def tls_name(settings: Todo) -> str:
    """Name of the certificate's Secret; empty where the pages are served by http."""
    ingress = settings.ingress
    return (ingress.tls_secret or f"{settings.name}-tls") if ingress.is_secure else ""


def issuer_annotations(settings: Todo) -> dict[str, str]:
    """Return what tells cert-manager to get a certificate (cert-manager.io, "Annotated Ingress resource")."""
    ingress = settings.ingress
    if ingress.issuer is None:
        return {}
    kind = "cluster-issuer" if ingress.issuer_kind == "ClusterIssuer" else "issuer"
    return {f"cert-manager.io/{kind}": ingress.issuer}


def secret_name(settings: Todo) -> str:
    """Name of the Secret that holds what Todo.SECRETS names."""
    return f"{settings.name}-secrets"


def _common(settings: Todo) -> dict[str, Any]:
    return {
        "fullnameOverride": settings.name,
        # How long the provider waits for each object that takes its time.
        "commonAnnotations": {**FORCED, "pulumi.com/timeoutSeconds": str(settings.start_timeout)},
        "secrets": {"existingSecret": secret_name(settings)},
    }


def database_values(settings: Todo) -> dict[str, Any]:
    """Return values with which the chart is the database alone. It has to be there before the migration."""
    storage = settings.postgres.storage
    own = {
        **_common(settings),
        "backend": {"enabled": False},
        "frontend": {"enabled": False},
        "ingress": {"enabled": False},
        "postgresql": {
            "enabled": True,
            "image": image_values(settings.postgres.image),
            "user": DATABASE_USER,
            "database": DATABASE_USER,
            "persistence": {"enabled": storage is not None, **({"size": storage} if storage else {})},
        },
    }
    shared = {key: value for key, value in settings.values.items() if key not in ONLY_APP}
    account = {"serviceAccount": {"create": False}}
    return {**merged(merged(own, shared), account), "imagePullSecrets": pull_secrets(settings)}


def app_values(settings: Todo, images: Mapping[str, str], digest: str) -> dict[str, Any]:
    """Return values with which the chart is everything but database and migration. `digest`: see `keyed_digest`."""
    ingress, assistant = settings.ingress, urlsplit(settings.assistant.url)
    port = assistant.port or (443 if assistant.scheme == "https" else 80)
    # Without it, `up` ends in an error where the controller gives no address.
    waiting: dict[str, str] = {} if ingress.wait else {"pulumi.com/skipAwait": "true"}
    secure = tls_name(settings)
    tls = [{"secretName": secure, "hosts": [ingress.host]}] if secure else []
    parts = {"backend": settings.backend, "frontend": settings.frontend}
    own: dict[str, Any] = {
        **_common(settings),
        **{name: _part(part, images[name]) for name, part in parts.items()},
        "ingress": {
            "enabled": True,
            "className": ingress.class_name or "",
            "host": ingress.host or "",
            "tls": tls,
            "annotations": {**issuer_annotations(settings), **ingress.annotations, **waiting},
        },
        "config": {
            "environment": settings.environment,
            "logLevel": settings.log_level,
            "openaiBaseUrl": settings.assistant.url,
            "openaiModel": settings.assistant.model,
            "proxies": ingress.proxies,
        },
        # The Job migrates; and a backend that finds an emptied database, as that of a pod without a volume.
        "migrations": {"mode": "none", "whenEmpty": True},
        "networkPolicy": {"databasePorts": [settings.database_port], "openaiPorts": [port]},
    }
    # The engine changes objects side by side; a pod that starts before the ConfigMap is changed keeps the old settings.
    first = {"config.kubernetes.io/depends-on": f"/namespaces/{settings.namespace}/ConfigMap/{settings.name}"}
    for part in PARTS:
        own[part]["annotations"] = first
    own["backend"]["podAnnotations"] = {"checksum/secret": digest}
    shared = {key: value for key, value in settings.values.items() if key != "postgresql"}
    return {**merged(own, shared), "imagePullSecrets": pull_secrets(settings)}


def _part(part: TodoPart, image: str) -> dict[str, Any]:
    return {"replicas": part.replicas, "image": image_values(image)}


@functools.cache
def _defaults() -> Mapping[str, Any]:
    return cast(dict[str, Any], yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader))


def fewest_pods(values: Mapping[str, Any]) -> dict[str, int]:
    """Return how many pods of each part there have to be, as values and the chart's defaults say."""
    whole = merged(_defaults(), values)
    counts: dict[str, int] = {}
    for name in PARTS:
        part = whole[name]
        scaling = part["autoscaling"]
        counts[name] = int(scaling["minReplicas"] if scaling["enabled"] else part["replicas"])
    return counts
