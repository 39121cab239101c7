"""Does the todo app work? The contract and integration tests of its task list, asked of the cluster and of the pages.

`deployed` is the stack's output `todo`. Nothing here changes anything; what stops a part on purpose is in
checks/todo/disruption.py. Secrets are compared, and never shown.
"""

from __future__ import annotations

import base64
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.cluster import ClusterView, View
from checks.result import CheckResult, Status, Story
from checks.todo.codes import Code
from checks.todo.disruption import check_disruption, check_network_policies
from checks.todo.objects import fragments, lacks, path_of, pods_of, probe_paths, ready_endpoints, replicas
from components.todo.deployed import DeployedTodo
from providers.errors import CommandFailed
from toolchain.waiting import as_it_is, wait_until

Item = Mapping[str, Any]
MAKE_UP = "Run `make up` again"
PARTS = ("backend", "frontend")
LIVE, HEALTH = "/api/v1/health/live", "/api/v1/health"
SECRET_KEYS = ("DATABASE_URL", "AUTH_SECRET", "OPENAI_API_KEY")
ARRIVING = {
    "backend": ("ENVIRONMENT", "LOG_LEVEL", "OPENAI_BASE_URL", "OPENAI_MODEL", "COOKIE_SECURE"),
    "frontend": ("API_BASE_URL", "ENVIRONMENT"),
}
"""Part -> keys of the ConfigMap that have to reach it."""
POLL_SECONDS = 1.0
MEDIAN_SECONDS = 0.1
TIMED_REQUESTS = 15
"""For a median; each on a connection of its own, as a first visitor's."""
ROUTE_SECONDS = 15.0
"""What an ingress controller may take to learn of pods that have just become ready; Traefik collects for 2 s."""


def check_todo(
    deployed: DeployedTodo, disruptive: bool = False, view: View | None = None, kubeconfig: Path | None = None
) -> list[CheckResult]:
    """US1 to US3 of the task list. `disruptive`: also stop a backend, and take its database away.

    `kubeconfig` is where kubectl looks for it, unless told otherwise.

    Raises ClusterUnusable where the cluster can't be asked.
    """
    view = view or ClusterView(deployed, kubeconfig)
    rows = _us1(view, deployed)
    rows += _us2(view, deployed)
    rows += _us3(view, deployed)
    rows.append(check_network_policies(view, deployed))
    return rows + check_disruption(view, deployed, disruptive)


def _logs(deployed: DeployedTodo, part: str) -> str:
    where = f"--context {deployed.context} -n {deployed.namespace}"
    return f"See `kubectl {where} logs deploy/{deployed.name}-{part}`"


# US1: it is deployed


def _us1(view: View, deployed: DeployedTodo) -> list[CheckResult]:
    story = Story("US1", Code.NOT_RUNNING)
    rows: list[CheckResult] = []
    for part, shown in _settled(view, deployed).items():
        wanted = deployed.replicas[part]
        question = f"{part}: {wanted} replicas or more, all ready and of the newest version"
        rows.append(story.verdict(shown[0], question, shown[1], _logs(deployed, part)))
        rows.append(_service(view, deployed, part))
    return [*rows, *_routed(view, deployed), _quick(view, deployed), _restricted(view, deployed)]


def _settled(view: View, deployed: DeployedTodo) -> dict[str, tuple[bool, str]]:
    """Part -> whether its pods are all there, and what was seen; waits as long as a start may take."""

    def ask() -> dict[str, tuple[bool, str]]:
        return {
            part: replicas(view.ask(path_of(deployed, "deployments", f"{deployed.name}-{part}")), wanted)
            for part, wanted in deployed.replicas.items()
        }

    return wait_until(
        ask,
        deployed.start_timeout,
        as_it_is,
        good=lambda found: all(holds for holds, _ in found.values()),
        pause=POLL_SECONDS,
    )


def _service(view: View, deployed: DeployedTodo, part: str) -> CheckResult:
    story, name = Story("US1", Code.CONFIGURATION), f"{deployed.name}-{part}"
    question = f"{part}: a Service inside the cluster alone, with ready pods behind it"
    service = view.ask(path_of(deployed, "services", name))
    if service is None:
        return story.failed(question, f"there is no Service {name}", MAKE_UP)
    slices = view.ask(path_of(deployed, "endpointslices"), labelSelector=f"kubernetes.io/service-name={name}") or {}
    ready, kind = len(ready_endpoints(slices)), service["spec"].get("type", "ClusterIP")
    return story.verdict(
        kind == "ClusterIP" and ready >= deployed.replicas[part], question, f"{kind}, {ready} endpoints", MAKE_UP
    )


def _routed(view: View, deployed: DeployedTodo) -> list[CheckResult]:
    """Return whether the ingress leads where it should; asks again while it may not have learnt of the pods yet."""
    patience = min(ROUTE_SECONDS, deployed.start_timeout)
    return wait_until(
        lambda: _routing(view),
        patience,
        as_it_is,
        good=lambda rows: all(row.status is Status.PASS for row in rows),
        pause=POLL_SECONDS,
    )


def _routing(view: View) -> list[CheckResult]:
    story = Story("US1", Code.NOT_RUNNING)
    front, back, nothing = view.page("/"), view.page(LIVE), view.page("/api/v1/there-is-no-such-thing")
    remedy = "Does the ingress controller run, and is ingress.class-name its own?"
    seen = f"{front.status} {front.kind} {front.text[:60] if front.status != 200 else ''}"
    rows = [
        story.verdict(
            front.status == 200 and "text/html" in front.kind, 'the ingress sends "/" to the frontend', seen, remedy
        )
    ]
    good = (back.status, nothing.status) == (200, 404) and "json" in back.kind and "json" in nothing.kind
    seen = f"{LIVE} {back.status} {back.kind}; what is not there: {nothing.status} {nothing.kind}"
    rows.append(story.verdict(good, 'the ingress sends "/api" to the backend', seen, remedy))
    return rows


def _quick(view: View, deployed: DeployedTodo) -> CheckResult:
    """Return how long the page and an answer of the API take; measured again while other work may be in the way."""

    def ask() -> dict[str, float]:
        return {
            path: statistics.median(view.page(path).seconds for _ in range(TIMED_REQUESTS)) for path in ("/", HEALTH)
        }

    patience = min(ROUTE_SECONDS, float(deployed.start_timeout))
    found = wait_until(
        ask, patience, as_it_is, good=lambda times: max(times.values()) <= MEDIAN_SECONDS, pause=POLL_SECONDS
    )
    seen = ", ".join(f"{path} {seconds * 1000:.0f} ms" for path, seconds in found.items())
    return Story("US1", Code.NOT_RUNNING).verdict(
        max(found.values()) <= MEDIAN_SECONDS,
        f"through the ingress pages are there within {MEDIAN_SECONDS * 1000:.0f} ms at the median",
        seen,
        "Are the nodes busy, or far away? kubectl top nodes",
    )


def _restricted(view: View, deployed: DeployedTodo) -> CheckResult:
    story = Story("US1", Code.CONFIGURATION)
    pods = [pod for part in PARTS for pod in pods_of(view, deployed, part)]
    wrong = sorted({f"{pod['metadata']['name']}: {lack}" for pod in pods for lack in lacks(pod["spec"])})
    question = "pods keep to the security level restricted, with a read-only root file system"
    return story.verdict(bool(pods) and not wrong, question, "; ".join(wrong) or f"{len(pods)} pods", MAKE_UP)


# US2: its configuration is secure


def _us2(view: View, deployed: DeployedTodo) -> list[CheckResult]:
    story = Story("US2", Code.CONFIGURATION)
    secret = view.ask(path_of(deployed, "secrets", deployed.secret))
    if secret is None:
        return [story.failed("the secrets are a Secret", f"there is no Secret {deployed.secret}", MAKE_UP)]
    values = {key: base64.b64decode(value).decode(errors="replace") for key, value in secret["data"].items()}
    missing = [key for key in SECRET_KEYS[:2] if not values.get(key)]
    seen = f"missing: {', '.join(missing)}" if missing else ", ".join(sorted(values))
    rows = [story.verdict(not missing, "the secrets are a Secret", seen, MAKE_UP), _readable(view, deployed, values)]
    settings = (view.ask(path_of(deployed, "configmaps", deployed.name)) or {}).get("data", {})
    for part in PARTS:
        rows += _arrived(view, deployed, part, values, settings)
    return rows


def _readable(view: View, deployed: DeployedTodo, values: Mapping[str, str]) -> CheckResult:
    """T024."""
    leaks, looked = set[str](), 0
    namespace = f"namespaces/{deployed.namespace}"
    for path in (
        *(f"/api/v1/{namespace}/{kind}" for kind in ("pods", "configmaps")),
        *(f"/apis/apps/v1/{namespace}/{kind}" for kind in ("deployments", "replicasets", "statefulsets")),
        f"/apis/batch/v1/{namespace}/jobs",
    ):
        for item in (view.ask(path) or {}).get("items", []):
            looked += 1
            text = json.dumps(item, ensure_ascii=False)
            name = f"{path.rpartition('/')[2]}/{item['metadata']['name']}"
            leaks |= {f"{key} in {name}" for fragment, key in fragments(values).items() if fragment in text}
    return Story("US2", Code.CONFIGURATION).verdict(
        not leaks and looked > 0,
        "no secret can be read in any description of pods, Deployments, Jobs or ConfigMaps",
        "; ".join(sorted(leaks)) or f"{looked} descriptions looked through",
        "Change that secret, then run `make up` again",
    )


def _arrived(
    view: View, deployed: DeployedTodo, part: str, secrets: Mapping[str, str], settings: Mapping[str, str]
) -> list[CheckResult]:
    """T025 for one part, and that its secrets are its own affair."""
    story = Story("US2", Code.CONFIGURATION)
    asked = f"{part}: the values of the ConfigMap arrive"
    kept = {
        "backend": "backend: the secrets arrive as variables",
        "frontend": "frontend: it gets none of the secrets",
    }[part]
    pods = pods_of(view, deployed, part)
    if not pods:
        return [story.failed(question, "there is no pod", MAKE_UP) for question in (asked, kept)]
    try:
        text = view.run(pods[0]["metadata"]["name"], part, "cat", "/proc/1/environ")
    except CommandFailed as error:
        return [story.failed(question, f"{error.summary} {error.detail}", MAKE_UP) for question in (asked, kept)]
    environment = dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
    wrong = [key for key in ARRIVING[part] if key not in settings or environment.get(key) != settings[key]]
    seen = f"differs: {', '.join(wrong)}" if wrong else ", ".join(f"{key}={settings[key]}" for key in ARRIVING[part])
    rows = [story.verdict(not wrong, asked, seen, MAKE_UP)]
    there = [key for key in SECRET_KEYS if key in secrets and environment.get(key) == secrets[key]]
    known = [key for key in SECRET_KEYS if key in secrets]
    if part == "backend":
        late = sorted(set(known) - set(there))
        seen = f"differs: {', '.join(late)}" if late else ", ".join(there)
        return [*rows, story.verdict(not late, kept, seen, "Restart its pods: kubectl rollout restart")]
    found = sorted({key for fragment, key in fragments(secrets).items() if fragment in text})
    return [*rows, story.verdict(not found, kept, ", ".join(found) or f"none of {len(known)}", MAKE_UP)]


# US3: its health is watched


def _us3(view: View, deployed: DeployedTodo) -> list[CheckResult]:
    story, health, live = Story("US3", Code.NOT_RUNNING), view.page(HEALTH), view.page(LIVE)
    try:
        said = json.loads(health.text)
        good = said["status"] == "ok" and said["checks"]["database"] == "ok"
        environment = said["environment"]
    except (ValueError, KeyError, TypeError):
        good, environment = False, ""
    seen, remedy = f"{health.status} {health.text[:120]}", _logs(deployed, "backend")
    rows = [
        story.verdict(health.status == 200 and good, f"{HEALTH} says ok, database included", seen, remedy),
        story.verdict(
            environment == deployed.environment, "it says which environment it is", str(environment), MAKE_UP
        ),
        story.verdict(live.status == 200, f"{LIVE} answers", f"{live.status}", remedy),
    ]
    deployment = view.ask(path_of(deployed, "deployments", f"{deployed.name}-backend"))
    probes = probe_paths(deployment) if deployment else {}
    wanted = {"startupProbe": LIVE, "livenessProbe": LIVE, "readinessProbe": HEALTH}
    question = "liveness never asks the database, readiness does"
    seen = ", ".join(f"{kind} {path}" for kind, path in probes.items())
    return [*rows, Story("US3", Code.CONFIGURATION).verdict(probes == wanted, question, seen, MAKE_UP)]
