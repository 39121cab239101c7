"""A cluster in memory with a todo app on it, that changes as Kubernetes would change it."""

from __future__ import annotations

import base64
import copy
from typing import Any

from checks.cluster import Page
from checks.todo import app
from components.todo.deployed import DeployedTodo
from providers.errors import CommandFailed

WRITTEN: dict[str, Any] = {
    "context": "trial",
    "namespace": "todo",
    "name": "todo",
    "secret": "todo-secrets",
    "address": "192.168.49.2",
    "host": "",
    "tls": False,
    "replicas": {"backend": 2, "frontend": 2},
    "environment": "trial",
    "postgres": True,
    "start_timeout": 0,
    "url": "http://192.168.49.2/",
}
DEPLOYED = DeployedTodo.parse("todo", WRITTEN)
SECRETS = {
    "DATABASE_URL": "postgresql://todo:canary%2Fpassword@todo-postgresql:5432/todo",
    "AUTH_SECRET": "canary-signing-key-0123456789abcdef",
    "POSTGRES_PASSWORD": "canary/password",
}
SETTINGS = {
    "ENVIRONMENT": "trial",
    "LOG_LEVEL": "INFO",
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    "OPENAI_MODEL": "m",
    "COOKIE_SECURE": "auto",
    "API_BASE_URL": "/api/v1",
}
PROBES = {
    kind: {"httpGet": {"path": path}, "periodSeconds": 1, "failureThreshold": 2}
    for kind, path in (("startupProbe", app.LIVE), ("livenessProbe", app.LIVE), ("readinessProbe", app.HEALTH))
}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
SELECTOR = "app.kubernetes.io/component="


class Cluster:
    """A cluster with a todo app that works; a test breaks what it is about."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.environments: dict[str, dict[str, str]] = {
            "backend": {key: value for key, value in (SETTINGS | SECRETS).items() if key != "API_BASE_URL"},
            "frontend": {key: SETTINGS[key] for key in ("API_BASE_URL", "ENVIRONMENT")},
        }
        self.pages: dict[str, Page] = {
            "/": Page(200, "<!doctype html>", "text/html; charset=utf-8"),
            app.LIVE: Page(200, '{"status": "ok"}', "application/json"),
            app.HEALTH: Page(
                200, '{"status": "ok", "checks": {"database": "ok"}, "environment": "trial"}', "application/json"
            ),
            "/api/v1/there-is-no-such-thing": Page(404, '{"detail": "Not found."}', "application/json"),
        }
        self.answers: dict[str, str | CommandFailed] = {"node": "closed\n", "python": "2\n", "sh": ""}
        self.commands: list[tuple[str, ...]] = []
        self.restarted_by = "liveness"
        self.readiness_asks = True
        self.open = True
        apps, core = "/apis/apps/v1/namespaces/todo", "/api/v1/namespaces/todo"
        for part in ("backend", "frontend"):
            pods = [self._pod(part, number) for number in (1, 2)]
            self.objects[f"{core}/pods?{part}"] = {"items": pods}
            template = {"spec": {"containers": [{"name": part, **PROBES}]}}
            self.objects[f"{apps}/deployments/todo-{part}"] = {
                "metadata": {"name": f"todo-{part}"},
                "spec": {"replicas": 2, "template": template},
                "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2},
            }
            self.objects[f"{core}/services/todo-{part}"] = {"spec": {"type": "ClusterIP"}}
        database = self._pod("postgresql", 0)
        self.objects[f"{core}/pods?postgresql"] = {"items": [database]}
        self.objects[f"{core}/secrets/todo-secrets"] = {
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in SECRETS.items()}
        }
        self.objects[f"{core}/configmaps/todo"] = {"metadata": {"name": "todo"}, "data": dict(SETTINGS)}
        self.objects["/apis/networking.k8s.io/v1/namespaces/todo/networkpolicies"] = {"items": [{}, {}]}
        self.objects["/apis/apps/v1/daemonsets"] = {"items": [{"metadata": {"name": "kube-proxy"}}]}

    @staticmethod
    def _pod(part: str, number: int) -> dict[str, Any]:
        return {
            "metadata": {"name": f"todo-{part}-{number}"},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": part, "securityContext": copy.deepcopy(RESTRICTED), **copy.deepcopy(PROBES)}],
            },
            "status": {
                "podIP": f"10.0.0.{number}",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"restartCount": 0}],
            },
        }

    def pods(self, part: str) -> list[dict[str, Any]]:
        return self.objects[f"/api/v1/namespaces/todo/pods?{part}"]["items"]

    def ask(self, path: str, **query: str) -> dict[str, Any] | None:
        selector = query.get("labelSelector", "")
        if path.endswith("/pods"):
            wanted = selector.partition(SELECTOR)[2]
            parts = (wanted,) if wanted else ("backend", "frontend", "postgresql")
            return {"items": [pod for part in parts for pod in self.pods(part)]}
        if path.endswith("/endpointslices"):
            part = selector.rpartition("-")[2]
            return {
                "items": [
                    {
                        "endpoints": [
                            {
                                "addresses": [pod["status"]["podIP"]],
                                "conditions": {"ready": pod["status"]["conditions"][0]["status"] == "True"},
                            }
                            for pod in self.pods(part)
                        ]
                    }
                ]
            }
        if path in self.objects:
            return self.objects[path]
        below = [value for key, value in self.objects.items() if key.startswith(f"{path}/") and "?" not in key]
        return {"items": below} if below else None

    def run(self, pod: str, container: str, *command: str) -> str:
        self.commands.append((pod, *command))
        if command[0] == "cat":
            return "".join(f"{key}={value}\0" for key, value in self.environments[container].items())
        answer = self.answers[command[0]]
        if isinstance(answer, CommandFailed):
            raise answer
        if command[0] == "python" and self.restarted_by == "liveness":
            self.pods("backend")[0]["status"]["containerStatuses"][0]["restartCount"] += 1
        if command[0] == "sh":
            self.open = command[-1] == "true"
            for each in self.pods("backend"):
                if self.readiness_asks:
                    each["status"]["conditions"][0]["status"] = "True" if self.open else "False"
                if self.restarted_by == "the database" and not self.open:
                    each["status"]["containerStatuses"][0]["restartCount"] += 1
        return answer

    def page(self, path: str) -> Page:
        return self.pages[path]
