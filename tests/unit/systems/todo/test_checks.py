"""The checks of the todo app, against a cluster in memory that changes as Kubernetes would change it."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import __main__ as program
from checks.cluster import Page
from checks.result import CheckResult, Status
from checks.run import run_checks
from checks.stack import DeployedStack, deployed
from checks.todo import app, disruption
from checks.todo.app import check_todo
from checks.todo.disruption import HUNG, LOST, POLICIES, probe_seconds
from checks.todo.objects import fragments, lacks
from components.todo.deployed import DeployedTodo
from config.hosts import Machines
from providers.errors import CommandFailed
from tests.unit.systems.todo.memory_cluster import DEPLOYED, RESTRICTED, SECRETS, WRITTEN, Cluster


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))


def asked(cluster: Cluster, disruptive: bool = False, **changed: Any) -> list[CheckResult]:
    return check_todo(DeployedTodo.parse("todo", {**WRITTEN, **changed}), disruptive, cluster)


def failures(rows: list[CheckResult]) -> dict[str, str]:
    return {row.question: row.reason for row in rows if row.status is Status.FAIL}


def test_an_app_that_works_passes_every_check():
    rows = asked(Cluster(), disruptive=True)
    assert [row for row in rows if row.status is not Status.PASS] == []
    assert {row.story for row in rows} == {"US1", "US2", "US3"}


def test_nothing_is_stopped_where_nobody_asked_for_it():
    cluster = Cluster()
    rows = asked(cluster)
    skipped = {row.question: row.reason for row in rows if row.status is Status.SKIP}
    assert skipped.keys() == {HUNG, LOST}
    assert "DISRUPTIVE=1" in skipped[HUNG]
    assert {command[1] for command in cluster.commands} == {"cat", "node"}


def test_an_ingress_controller_may_learn_of_the_pods_a_few_seconds_late():
    class Learning(Cluster):
        """Its controller knows of nothing, then of the frontend alone, and of the whole app after six questions."""

        asked = 0

        def page(self, path: str) -> Page:
            self.asked += 1
            if self.asked <= 3:
                return Page(404, "404 page not found", "text/plain")
            return super().page("/" if self.asked <= 6 else path)

    assert failures(asked(Learning(), start_timeout=60)) == {}
    assert 'the ingress sends "/" to the frontend' in failures(asked(Learning()))


@pytest.mark.parametrize(("path", "is_slow"), [("/", True), ("/api/v1/health", True), ("/api/v1/health/live", False)])
def test_slow_pages_fail_by_their_median(path: str, is_slow: bool):
    class Slow(Cluster):
        """One path takes 120 ms, and every fourth answer of all takes seconds: a median does not see those."""

        asked = 0

        def page(self, asked: str) -> Page:
            self.asked += 1
            seconds = 3.0 if self.asked % 4 == 0 else 0.12 if asked == path else 0.02
            return dataclasses.replace(super().page(asked), seconds=seconds)

    question = "through the ingress pages are there within 100 ms at the median"
    found = failures(asked(Slow()))
    assert (question in found) is is_slow
    assert not is_slow or f"{path} 120 ms" in found[question]


def _object(path: str, value: Any, *steps: str | int) -> Callable[[Cluster], None]:
    def change(cluster: Cluster) -> None:
        place = cluster.objects[path]
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = value

    return change


def _page(path: str, page: Page) -> Callable[[Cluster], None]:
    return lambda cluster: cluster.pages.__setitem__(path, page)


def _variable(part: str, key: str, value: str) -> Callable[[Cluster], None]:
    return lambda cluster: cluster.environments[part].__setitem__(key, value)


SECRET = "/api/v1/namespaces/todo/secrets/todo-secrets"
ARRIVE = "backend: the values of the ConfigMap arrive"
BACKEND = "/apis/apps/v1/namespaces/todo/deployments/todo-backend"
CONFIG = "/api/v1/namespaces/todo/configmaps/todo"
POD = ("items", 0, "spec", "containers", 0)
FRONTENDS = "/api/v1/namespaces/todo/pods?frontend"
TOLD = "no secret can be read in any description of pods, Deployments, Jobs or ConfigMaps"
REPLICAS = "backend: 2 replicas or more, all ready and of the newest version"
LEVEL = "pods keep to the security level restricted, with a read-only root file system"


@pytest.mark.parametrize(
    ("change", "question"),
    [
        (_object(BACKEND, 1, "status", "readyReplicas"), REPLICAS),
        (_object(BACKEND, 1, "status", "updatedReplicas"), REPLICAS),
        (_object(BACKEND, 3, "status", "replicas"), REPLICAS),
        (_object(BACKEND, 1, "spec", "replicas"), REPLICAS),
        (lambda cluster: cluster.objects.pop(BACKEND), REPLICAS),
        (
            _object("/api/v1/namespaces/todo/services/todo-frontend", "NodePort", "spec", "type"),
            "frontend: a Service inside the cluster alone, with ready pods behind it",
        ),
        (
            lambda cluster: cluster.objects.pop("/api/v1/namespaces/todo/services/todo-backend"),
            "backend: a Service inside the cluster alone, with ready pods behind it",
        ),
        (_page("/", Page(0, "no route to host")), 'the ingress sends "/" to the frontend'),
        (_page("/", Page(200, "{}", "application/json")), 'the ingress sends "/" to the frontend'),
        (_page(app.LIVE, Page(200, "<html>", "text/html")), 'the ingress sends "/api" to the backend'),
        (
            _page("/api/v1/there-is-no-such-thing", Page(404, "<html>", "text/html")),
            'the ingress sends "/api" to the backend',
        ),
        (_object(FRONTENDS, True, *POD, "securityContext", "allowPrivilegeEscalation"), LEVEL),
        (_object(SECRET, {}, "data"), "the secrets are a Secret"),
        (
            lambda cluster: cluster.objects.pop(SECRET),
            "the secrets are a Secret",
        ),
        (_object(FRONTENDS, [{"name": "X", "value": SECRETS["AUTH_SECRET"]}], *POD, "env"), TOLD),
        (_object(CONFIG, "see canary/password", "data", "NOTE"), TOLD),
        (_object(BACKEND, base64.b64encode(b"canary/password").decode(), "metadata", "annotation"), TOLD),
        (_variable("backend", "LOG_LEVEL", "DEBUG"), ARRIVE),
        (_variable("frontend", "API_BASE_URL", "/old"), "frontend: the values of the ConfigMap arrive"),
        (
            lambda cluster: cluster.objects[CONFIG]["data"].pop("OPENAI_MODEL"),
            ARRIVE,
        ),
        (_variable("backend", "AUTH_SECRET", "old"), "backend: the secrets arrive as variables"),
        (_variable("frontend", "X", f"is {SECRETS['DATABASE_URL']}"), "frontend: it gets none of the secrets"),
        (_page(app.HEALTH, Page(503, '{"status": "degraded"}')), f"{app.HEALTH} says ok, database included"),
        (_page(app.HEALTH, Page(200, "<html>")), f"{app.HEALTH} says ok, database included"),
        (
            _page(app.HEALTH, Page(200, '{"status": "ok", "checks": {"database": "ok"}, "environment": "x"}')),
            "it says which environment it is",
        ),
        (_page(app.LIVE, Page(502, "bad gateway")), f"{app.LIVE} answers"),
        (
            _object(
                BACKEND, app.HEALTH, "spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet", "path"
            ),
            "liveness never asks the database, readiness does",
        ),
    ],
)
def test_what_does_not_work_fails_its_own_check(change: Callable[[Cluster], None], question: str):
    cluster = Cluster()
    cluster.objects = copy.deepcopy(cluster.objects)
    change(cluster)
    assert question in failures(asked(cluster))


def test_no_row_shows_a_secret():
    cluster = Cluster()
    _object(FRONTENDS, [{"name": "X", "value": SECRETS["AUTH_SECRET"]}], *POD, "env")(cluster)
    _variable("frontend", "X", SECRETS["DATABASE_URL"])(cluster)
    rows = asked(cluster, disruptive=True)
    assert "AUTH_SECRET in pods/todo-frontend-1" in failures(rows)[TOLD]
    assert "canary" not in json.dumps([row.reason for row in rows])


def test_a_container_that_lets_no_command_in_fails_with_what_it_said():
    cluster = Cluster()
    cluster.run = lambda *_: (_ for _ in ()).throw(CommandFailed("no command", status=-1, detail="Forbidden"))  # type: ignore[method-assign]
    found = failures(asked(cluster))
    assert "Forbidden" in found[ARRIVE]
    assert "no command" in found[POLICIES]


def test_a_hung_backend_that_nobody_restarts_fails():
    cluster = Cluster()
    cluster.restarted_by = "nobody"
    assert "todo-backend-1 is not back within" in failures(asked(cluster, disruptive=True))[HUNG]


def test_a_server_that_is_the_first_process_is_said_to_be():
    cluster = Cluster()
    cluster.answers["python"] = "0\n"
    assert "first process" in failures(asked(cluster, disruptive=True))[HUNG]


def test_a_database_that_is_lost_has_to_show_in_readiness_and_not_in_liveness():
    cluster = Cluster()
    cluster.readiness_asks = False
    assert "Does readiness ask the database?" in failures(asked(cluster, disruptive=True))[LOST]
    cluster = Cluster()
    cluster.restarted_by = "the database"
    assert "Does liveness ask the database?" in failures(asked(cluster, disruptive=True))[LOST]


def test_the_database_is_opened_again_whatever_happens(monkeypatch: pytest.MonkeyPatch):
    cluster = Cluster()

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disruption.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        disruption.check_disruption(cluster, DEPLOYED, True)
    assert [command[-1] for command in cluster.commands if command[1] == "sh"] == ["false", "true"]


def test_a_database_elsewhere_is_left_alone():
    cluster = Cluster()
    rows = asked(cluster, disruptive=True, postgres=False)
    assert [row.status for row in rows if row.question == LOST] == [Status.SKIP]
    assert not [command for command in cluster.commands if command[1] == "sh"]


def test_policies_that_nobody_enforces_are_a_skip_and_those_of_a_plugin_a_failure():
    cluster = Cluster()
    cluster.answers["node"] = "open\n"
    row = next(row for row in asked(cluster) if row.question == POLICIES)
    assert row.status is Status.SKIP
    assert "no network plugin here is known" in row.reason
    cluster.objects["/apis/apps/v1/daemonsets"]["items"].append({"metadata": {"name": "calico-node"}})
    assert "although calico-node runs" in failures(asked(cluster))[POLICIES]
    cluster.objects["/apis/networking.k8s.io/v1/namespaces/todo/networkpolicies"] = {"items": []}
    assert [row.status for row in asked(cluster) if row.question == POLICIES] == [Status.SKIP]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"automountServiceAccountToken": True}, "a token of the cluster is mounted"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "may run as root"),
        ({"securityContext": {"runAsNonRoot": True}}, "has no seccomp profile"),
        ({"initContainers": [{"securityContext": {}}]}, "keeps capabilities"),
        ({"containers": [{"securityContext": {**RESTRICTED, "readOnlyRootFilesystem": False}}]}, "writable root"),
        ({"containers": [{"securityContext": {**RESTRICTED, "allowPrivilegeEscalation": True}}]}, "gain privileges"),
    ],
)
def test_what_a_pod_lacks_of_the_level_restricted_is_named(spec: dict[str, Any], found: str):
    sound = Cluster().pods("backend")[0]["spec"]
    assert list(lacks(sound)) == []
    assert any(found in lack for lack in lacks({**sound, **spec}))


def test_a_password_inside_an_address_is_looked_for_as_it_is_written_and_as_it_is_meant():
    found = fragments({"DATABASE_URL": "postgresql://todo:a%2Fb-canary@db/todo", "SHORT": "abc"})
    assert {"a%2Fb-canary", "a/b-canary", base64.b64encode(b"a/b-canary").decode()} <= found.keys()
    assert "SHORT" not in found.values()


def test_a_probes_time_is_that_of_its_last_failure():
    assert probe_seconds({"periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 3}) == 13
    assert probe_seconds({}) == 31


def test_the_text_that_stops_a_server_is_good_python():
    compile(disruption._STOP, "stop", "exec")


async def test_systems_on_clusters_are_asked_without_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    seen: list[tuple[str, bool, Path | None]] = []

    def check(found: DeployedTodo, disruptive: bool, *, kubeconfig: Path | None) -> list[CheckResult]:
        seen.append((found.context, disruptive, kubeconfig))
        return []

    monkeypatch.setattr("checks.todo.check_todo", check)
    found = await run_checks(DeployedStack({"todo": WRITTEN}, Machines(hosts={})), tmp_path, disruptive=True)
    assert found == {"todo": []}
    assert seen == [("trial", True, None)]
    # Where the settings have it now, whoever brought it up.
    written = {"todo": {"kubeconfig": "mine/kubeconfig"}}
    await run_checks(DeployedStack({"todo": WRITTEN}, Machines(hosts={}), written), tmp_path)
    assert seen[-1] == ("trial", False, tmp_path / "mine/kubeconfig")


def test_an_output_under_a_systems_key_is_a_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setattr("checks.stack.outputs_of", lambda *_: {"todo": WRITTEN, "other": {"host": "x"}})
    assert set(deployed(tmp_path, "dev").systems) == {"todo"}


@pytest.mark.parametrize("written", ["{kubeconfig: mine}", """'{"kubeconfig": "mine"}'"""])
def test_settings_are_told_as_the_file_has_them_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, written: str):
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  hearth:todo: {written}\n  hearth:core: text\n")
    monkeypatch.setattr("checks.stack.outputs_of", lambda *_: {"todo": WRITTEN})
    assert deployed(tmp_path, "dev").written == {"todo": {"kubeconfig": "mine"}}


@pytest.mark.parametrize("disruptive", [True, False])
def test_the_command_line_says_whether_parts_may_be_stopped(monkeypatch: pytest.MonkeyPatch, disruptive: bool):
    seen: list[bool] = []

    async def ask(_deployed: DeployedStack, _project: Any, *, disruptive: bool) -> dict[str, list[CheckResult]]:
        seen.append(disruptive)
        return {}

    monkeypatch.setattr(program, "deployed", lambda *_: DeployedStack({}, Machines(hosts={})))
    monkeypatch.setattr(program, "run_checks", ask)
    assert program.main(["--disruptive"] if disruptive else []) == 0
    assert seen == [disruptive]
