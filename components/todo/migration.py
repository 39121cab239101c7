"""The Job that migrates the todo app's database before its pods start: pure functions, apart from the component."""

from __future__ import annotations

import hashlib
from typing import Any

from components.todo import values
from config.systems.todo import Todo

WAIT_SECONDS = 100
"""For the database, in each of three tries: a changed password reaches it after some three minutes (the chart's
`postgresql.passwordGraceSeconds`). The Job's own deadline may come before."""


def job_name(settings: Todo, image: str, digest: str) -> str:
    """Return the Job's name, under which it runs once: another image or another database is another name."""
    mark = hashlib.sha256(f"{image}\n{digest}".encode()).hexdigest()[:10]
    return f"{settings.name}-migrate-{mark}"


def job_metadata(settings: Todo, image: str, digest: str) -> dict[str, Any]:
    """Return its name; and that the next `up` makes it anew where it failed, or it would be awaited for ever."""
    return values.metadata(settings, job_name(settings, image, digest), **{"pulumi.com/replaceUnready": "true"})


def job_spec(settings: Todo, image: str) -> dict[str, Any]:
    """Describe what the Job runs: `todo-backend migrate`, within the security level `restricted`.

    A Job's pod can't be changed, so that another one means another run: only image and database belong into it.
    """
    labels = {
        **values.labels(settings),
        "app.kubernetes.io/name": settings.values.get("nameOverride") or "todo",
        "app.kubernetes.io/instance": settings.name,
        "app.kubernetes.io/component": "migrations",
    }
    reference = {"name": values.secret_name(settings)}
    backend = values.further(settings, "backend")
    container = {
        "name": "migrate",
        "image": image,
        "args": ["todo-backend", "migrate"],
        "env": [
            *(
                {"name": key, "valueFrom": {"secretKeyRef": {**reference, "key": key, **optional}}}
                for key, optional in (("DATABASE_URL", {}), ("DATABASE_CA", {"optional": True}))
            ),
            {"name": "MIGRATE_WAIT", "value": str(WAIT_SECONDS)},
            *backend.get("extraEnv", []),
        ],
        "envFrom": backend.get("extraEnvFrom", []),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": values.merged(
            {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            backend.get("securityContext", {}),
        ),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *backend.get("extraVolumeMounts", [])],
    }
    return {
        "backoffLimit": 2,
        "activeDeadlineSeconds": settings.start_timeout,
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": _account(settings),
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "imagePullSecrets": values.pull_secrets(settings),
                "securityContext": values.merged(
                    {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    backend.get("podSecurityContext", {}),
                ),
                "containers": [container],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *backend.get("extraVolumes", [])],
            },
        },
    }


def _account(settings: Todo) -> str:
    """Return the chart's `todo-app.otherServiceAccountName`: one that is there already."""
    account = values.further(settings, "serviceAccount")
    return str(account.get("name") or "default") if account.get("create") is False else "default"
