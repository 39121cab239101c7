"""What happens to the todo app when a part fails: asked by stopping that part, so only where it is asked for.

What is stopped goes on again: Kubernetes restarts a hung backend, and the database takes connections again whatever
happens in between. Nothing is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from checks.cluster import View
from checks.result import CheckResult, Story
from checks.todo.codes import Code
from checks.todo.objects import Item, path_of, pods_of, ready_endpoints
from components.blocks.kubernetes_cluster import ClusterUnusable
from components.todo.deployed import DeployedTodo
from providers.errors import CommandFailed
from toolchain.waiting import as_it_is, wait_until

MAKE_UP = "Run `make up` again"
POLL_SECONDS = 1.0
MARGIN_SECONDS = 60.0
"""What a busy machine may take beyond what the probes say."""
HUNG = "a backend that hangs is restarted by its liveness probe"
LOST = "backends that lose their database leave the Service, are not restarted, and come back"
POLICIES = "pods reach nothing but what their network policies name"
ENFORCING = ("antrea", "calico", "canal", "cilium", "kube-network-policies", "kube-router", "ovn", "romana", "weave")
"""Network plugins that enforce policies, as their DaemonSets are called."""

_STOP = """\
import os, signal
stopped = 0
for entry in os.listdir("/proc"):
    if entry.isdigit() and int(entry) not in (1, os.getpid()):
        os.kill(int(entry), signal.SIGSTOP)
        stopped += 1
print(stopped)
"""
"""Stops everything but the first process, which a signal from inside its own container can't stop."""

_CONNECT = """\
const socket = require("net").connect({host: process.argv[1], port: Number(process.argv[2]), timeout: 4000});
const say = (text) => { console.log(text); process.exit(0); };
socket.on("connect", () => say("open")).on("timeout", () => say("closed")).on("error", () => say("closed"));
"""

_DATABASE = """\
psql -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres <<END
ALTER DATABASE "$POSTGRES_DB" WITH ALLOW_CONNECTIONS $1;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '$POSTGRES_DB' AND NOT $1;
END
"""
"""Closes the database to everybody, or opens it again. Its server goes on, and so does its data."""


def check_disruption(view: View, deployed: DeployedTodo, disruptive: bool) -> list[CheckResult]:
    """US3: what a probe is for."""
    story = Story("US3", Code.NOT_RUNNING)
    if not disruptive:
        why = "it stops a part on purpose: asked with --disruptive (make check DISRUPTIVE=1)"
        return [story.skipped(HUNG, why), story.skipped(LOST, why)]
    return [_hung(view, deployed, story), _lost(view, deployed, story)]


def probe_seconds(probe: Mapping[str, Any]) -> float:
    """Return how long a probe takes to find that something fails, at the most."""
    period, failures = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
    return float(period * failures + probe.get("timeoutSeconds", 1))


def _container(pod: Item) -> Item:
    return pod["spec"]["containers"][0]


def restarts(pods: list[Item]) -> dict[str, int]:
    """Name of each pod -> how often its containers have been started anew."""
    return {
        pod["metadata"]["name"]: sum(
            status.get("restartCount", 0) for status in pod.get("status", {}).get("containerStatuses", [])
        )
        for pod in pods
    }


def ready(pod: Item) -> bool:
    """Return whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _until(holds: Callable[[], bool], seconds: float) -> float | None:
    """Return the seconds until something holds; None where it does not in time."""
    begun = time.monotonic()
    in_time = wait_until(holds, seconds, as_it_is, pause=POLL_SECONDS)
    return time.monotonic() - begun if in_time else None


def _hung(view: View, deployed: DeployedTodo, story: Story) -> CheckResult:
    """T031."""
    pods = [pod for pod in pods_of(view, deployed, "backend") if ready(pod)]
    if not pods:
        return story.failed(HUNG, "there is no ready pod to try it on", MAKE_UP)
    name, before, container = pods[0]["metadata"]["name"], restarts(pods[:1]), _container(pods[0])
    live, start = container.get("livenessProbe", {}), container.get("startupProbe", {})
    try:
        stopped = int(view.run(name, "backend", "python", "-c", _STOP))
    except (CommandFailed, ValueError) as error:
        return story.failed(HUNG, f"the server can't be stopped: {error}", MAKE_UP)
    if not stopped:
        return story.failed(HUNG, "the server is the container's first process, which can't be stopped", MAKE_UP)
    grace = live.get("terminationGracePeriodSeconds", pods[0]["spec"].get("terminationGracePeriodSeconds", 30))
    limit = probe_seconds(live) + grace + probe_seconds(start) + MARGIN_SECONDS

    def restarted() -> bool:
        found = [pod for pod in pods_of(view, deployed, "backend") if pod["metadata"]["name"] == name]
        return bool(found) and restarts(found)[name] > before[name] and ready(found[0])

    took = _until(restarted, limit)
    seen = f"{name} is not back within {limit:.0f} s" if took is None else f"{name} is back after {took:.0f} s"
    return story.verdict(took is not None, HUNG, seen, "Has the Deployment a liveness probe?")


def _lost(view: View, deployed: DeployedTodo, story: Story) -> CheckResult:
    if not deployed.postgres:
        return story.skipped(LOST, "the database is not in this cluster, so it is left alone")
    database, pods = pods_of(view, deployed, "postgresql"), pods_of(view, deployed, "backend")
    if not database or not pods:
        return story.failed(LOST, f"{len(database)} databases and {len(pods)} backends", MAKE_UP)
    container, before = _container(pods[0]), restarts(pods)
    leave = probe_seconds(container.get("readinessProbe", {})) + MARGIN_SECONDS

    def let_in(allowed: str) -> None:
        view.run(database[0]["metadata"]["name"], "postgresql", "sh", "-c", _DATABASE, "sh", allowed)

    def endpoints() -> list[str]:
        selector = f"kubernetes.io/service-name={deployed.name}-backend"
        return ready_endpoints(view.ask(path_of(deployed, "endpointslices"), labelSelector=selector) or {})

    try:
        let_in("false")
        try:
            left = _until(lambda: not endpoints(), leave)
            # Longer than the liveness probe would take, if it asked the database.
            time.sleep(probe_seconds(container.get("livenessProbe", {})) if left is not None else 0)
            during = restarts(pods_of(view, deployed, "backend"))
        finally:
            let_in("true")
    except CommandFailed as error:
        return story.failed(LOST, f"the database can't be closed: {error}", MAKE_UP)
    back = _until(lambda: len(endpoints()) >= len(pods), leave)
    if left is None:
        return story.failed(LOST, f"still in the Service after {leave:.0f} s", "Does readiness ask the database?")
    if during != before:
        return story.failed(LOST, f"restarts before {before}, after {during}", "Does liveness ask the database?")
    seen = f"out after {left:.0f} s, " + (f"back after {back:.0f} s" if back is not None else "and not back")
    return story.verdict(back is not None, LOST, f"{seen}, no restart", MAKE_UP)


def _enforced_by(view: View) -> str | None:
    """Return the network plugin that enforces policies here, as far as can be seen."""
    try:
        sets = view.ask("/apis/apps/v1/daemonsets") or {}
    except ClusterUnusable:
        return None
    names = [item["metadata"]["name"] for item in sets.get("items", [])]
    return next((name for name in names if any(known in name for known in ENFORCING)), None)


def check_network_policies(view: View, deployed: DeployedTodo) -> CheckResult:
    """Return whether what no policy allows is refused: the frontend, which asks nobody, connects to a backend."""
    story = Story("US2", Code.CONFIGURATION)
    policies = view.ask(f"/apis/networking.k8s.io/v1/namespaces/{deployed.namespace}/networkpolicies") or {}
    if not policies.get("items"):
        return story.skipped(POLICIES, "there are none: networkPolicy.enabled is false")
    frontend, backend = pods_of(view, deployed, "frontend"), pods_of(view, deployed, "backend")
    address = backend[0].get("status", {}).get("podIP") if backend else None
    if not frontend or not address:
        return story.failed(POLICIES, f"{len(frontend)} frontends and {len(backend)} backends", MAKE_UP)
    try:
        said = view.run(frontend[0]["metadata"]["name"], "frontend", "node", "-e", _CONNECT, address, "8000").strip()
    except CommandFailed as error:
        return story.failed(POLICIES, str(error), MAKE_UP)
    if said == "closed":
        return story.passed(POLICIES, f"{len(policies['items'])} policies; the frontend can't reach a backend itself")
    plugin = _enforced_by(view)
    if plugin is None:
        why = "no network plugin here is known to enforce policies, and the frontend reached a backend directly"
        return story.skipped(POLICIES, why)
    return story.failed(POLICIES, f"the frontend reached a backend although {plugin} runs", "See the plugin's log")
