"""Values of the todo app's chart, and descriptions of what is beside it: pure functions, apart from the component."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

import yaml

from config.systems.todo import Todo, TodoPart

CHART = Path(__file__).resolve().parents[2] / "apps" / "todo" / "chart"
PARTS = ("backend", "frontend")
USER_ID = 10001
"""The number of the images' own user, who is nobody else."""
NAMESPACE_LABELS = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
    "pod-security.kubernetes.io/audit": "restricted",
}
"""What makes the API server refuse a pod that wants more than the level `restricted` grants."""
DATABASE_USER = "todo"


def database_url(settings: Todo, password: str) -> str:
    """Where the database inside the cluster is."""
    return f"postgresql://{DATABASE_USER}:{quote(password, safe='')}@{settings.name}-postgresql:5432/{DATABASE_USER}"


def secret_data(settings: Todo, secrets: Mapping[str, str]) -> dict[str, str]:
    """The content of the Secret, from the values of Todo.SECRETS that there are."""
    found = {"AUTH_SECRET": secrets["todo-auth-secret"]}
    if settings.postgres.enabled:
        password = secrets["todo-postgres-password"]
        found |= {"DATABASE_URL": database_url(settings, password), "POSTGRES_PASSWORD": password}
    else:
        found["DATABASE_URL"] = secrets["todo-database-url"]
    if secrets.get("todo-openai-api-key"):
        found["OPENAI_API_KEY"] = secrets["todo-openai-api-key"]
    return found


def keyed_digest(data: Mapping[str, str]) -> str:
    """A mark that changes with the Secret and tells nothing about it: keyed with its longest secret, the signing key.

    What shows in a pod's description must not let anybody try passwords.
    """
    text = "\n".join(f"{key}={value}" for key, value in sorted(data.items()))
    return hmac.new(data["AUTH_SECRET"].encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def image_values(reference: str) -> dict[str, str]:
    """An image's full name as the chart wants it: repository, tag and digest."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return {"repository": f"{folder}{slash}{last}", "tag": tag, "digest": digest}


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of values as Helm lays one over the other: groups key by key, all else as a whole."""
    result: dict[str, Any] = {**lower}
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(cast(Mapping[str, Any], below), cast(Mapping[str, Any], value))
        else:
            result[key] = value
    return result


def secret_name(settings: Todo) -> str:
    """Name of the Secret that holds what Todo.SECRETS names."""
    return f"{settings.name}-secrets"


def _common(settings: Todo) -> dict[str, Any]:
    return {
        "fullnameOverride": settings.name,
        # How long the provider waits for each object that takes its time.
        "commonAnnotations": {"pulumi.com/timeoutSeconds": str(settings.start_timeout)},
        "secrets": {"existingSecret": secret_name(settings)},
    }


def database_values(settings: Todo) -> dict[str, Any]:
    """Values with which the chart is the database alone. It has to be there before the migration."""
    storage = settings.postgres.storage
    own = {
        **_common(settings),
        "backend": {"enabled": False},
        "frontend": {"enabled": False},
        "ingress": {"enabled": False},
        "serviceAccount": {"create": False},
        "postgresql": {
            "enabled": True,
            "image": image_values(settings.postgres.image),
            "user": DATABASE_USER,
            "database": DATABASE_USER,
            "persistence": {"enabled": storage is not None, **({"size": storage} if storage else {})},
        },
    }
    further = {key: value for key, value in settings.values.items() if key in ("postgresql", "imagePullSecrets")}
    return merged(own, further)


def app_values(settings: Todo, images: Mapping[str, str], digest: str) -> dict[str, Any]:
    """Values with which the chart is everything but database and migration. `digest`: see `keyed_digest`."""
    ingress, assistant = settings.ingress, urlsplit(settings.assistant.url)
    port = assistant.port or (443 if assistant.scheme == "https" else 80)
    # Without it, `up` ends in an error where the controller gives no address.
    waiting: dict[str, str] = {} if ingress.wait else {"pulumi.com/skipAwait": "true"}
    tls = [{"secretName": ingress.tls_secret, "hosts": [ingress.host]}] if ingress.tls_secret else []
    parts = {"backend": settings.backend, "frontend": settings.frontend}
    own: dict[str, Any] = {
        **_common(settings),
        **{name: _part(part, images[name]) for name, part in parts.items()},
        "ingress": {
            "enabled": True,
            "className": ingress.class_name or "",
            "host": ingress.host or "",
            "tls": tls,
            "annotations": {**ingress.annotations, **waiting},
        },
        "config": {
            "environment": settings.environment,
            "logLevel": settings.log_level,
            "openaiBaseUrl": settings.assistant.url,
            "openaiModel": settings.assistant.model,
        },
        "migrations": {"mode": "none"},
        "networkPolicy": {"databasePorts": [settings.database_port], "openaiPorts": [port]},
    }
    # The engine changes objects side by side; a pod that starts before the ConfigMap is changed keeps the old settings.
    first = {"config.kubernetes.io/depends-on": f"/namespaces/{settings.namespace}/ConfigMap/{settings.name}"}
    for part in PARTS:
        own[part]["annotations"] = first
    own["backend"]["podAnnotations"] = {"checksum/secret": digest}
    further = {key: value for key, value in settings.values.items() if key != "postgresql"}
    return merged(own, further)


def _part(part: TodoPart, image: str) -> dict[str, Any]:
    return {"replicas": part.replicas, "image": image_values(image)}


def fewest_pods(values: Mapping[str, Any]) -> dict[str, int]:
    """How many pods of each part there have to be, as values and the chart's defaults say."""
    defaults = cast(dict[str, Any], yaml.safe_load((CHART / "values.yaml").read_text()))
    whole = merged(defaults, values)
    counts: dict[str, int] = {}
    for name in PARTS:
        part = whole[name]
        scaling = part["autoscaling"]
        counts[name] = int(scaling["minReplicas"] if scaling["enabled"] else part["replicas"])
    return counts


def migration_name(settings: Todo, image: str, digest: str) -> str:
    """A Job runs once under its name: another image or another database is another name, and so another run."""
    mark = hashlib.sha256(f"{image}\n{digest}".encode()).hexdigest()[:10]
    return f"{settings.name}-migrate-{mark}"


def migration_spec(settings: Todo, image: str) -> dict[str, Any]:
    """What the Job runs: `todo-backend migrate`, within the security level `restricted`.

    A Job's pod can't be changed, so that another one means another run: only image and database belong into it.
    """
    labels = {
        "app.kubernetes.io/name": "todo",
        "app.kubernetes.io/instance": settings.name,
        "app.kubernetes.io/component": "migrations",
    }
    reference = {"name": secret_name(settings)}
    container = {
        "name": "migrate",
        "image": image,
        "args": ["todo-backend", "migrate"],
        "env": [
            {"name": key, "valueFrom": {"secretKeyRef": {**reference, "key": key}}}
            for key in ("DATABASE_URL", "AUTH_SECRET")
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "backoffLimit": 2,
        "activeDeadlineSeconds": settings.start_timeout,
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "imagePullSecrets": settings.values.get("imagePullSecrets", []),
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER_ID,
                    "runAsGroup": USER_ID,
                    "fsGroup": USER_ID,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            },
        },
    }
