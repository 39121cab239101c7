"""What the todo app's chart comes back from by itself: a database that is new, one that was kept, another password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from checks.result import Status
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from lab import Lab
from lab.kubernetes.cluster import Cluster
from tests.lab.support import until
from tests.lab.systems.todo.releases import Releases, volume_by_hand
from tests.lab.systems.todo.visitor import PASSWORD, Load, Visitor

SPACE = "todo-recovery"
# The lab's kubelets renew mounted Secrets within 15 s.
GRACE = {"passwordGraceSeconds": 20}
FEW = {"replicas": 1}
# As OpenShift's class `restricted` gives them: a number of the namespace's own, in the group 0.
GIVEN = {"podSecurityContext": {"runAsUser": 1000680000, "runAsGroup": 0, "fsGroup": 1000680000}, **FEW}


@pytest.fixture(scope="module")
def releases(cluster: Cluster, lab: Lab) -> Iterator[Releases]:
    made = Releases(cluster, lab.todo_images(), SPACE)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def lost(releases: Releases) -> Releases:
    """Return the release `lost`: its database has no volume, and its pods have numbers that the images do not know."""
    ingress = {"host": "lost.example", "className": "traefik"}
    releases.install("lost", fullnameOverride="lost", backend=GIVEN, frontend=GIVEN, ingress=ingress, postgresql=GRACE)
    return releases


def visitor(releases: Releases, release: str) -> Visitor:
    return Visitor(releases.cluster.ingress_address, f"{release}.example")


def pod(releases: Releases, name: str) -> str:
    """Return what is never used twice of a pod."""
    return releases.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")


def test_under_a_number_that_the_images_do_not_know_it_passes_the_checks(lost: Releases) -> None:
    deployed = DeployedTodo.model_validate({**lost.deployed("lost"), "replicas": {"backend": 1, "frontend": 1}})
    found = check_todo(deployed, kubeconfig=lost.cluster.kubeconfig)
    assert [row for row in found if row.status is Status.FAIL] == []
    for part in ("backend", "frontend"):
        told = lost.kubectl("exec", f"deploy/lost-{part}", "-c", part, "--", "id", "-u")
        assert told.strip() == "1000680000"


def test_a_database_that_went_with_its_pod_gets_its_tables_back_by_itself(lost: Releases) -> None:
    visitor(lost, "lost").signed_up("before@example.org")
    before = lost.kubectl("get", "pods", "-l", "app.kubernetes.io/component=backend", "-o", "name")
    lost.kubectl("delete", "pod", "lost-postgresql-0", "--grace-period=1")
    until(lambda: lost.environment("lost").startswith("503"), "readiness tells of it", 120)
    lost.becomes("lost", "development")
    assert lost.kubectl("get", "pods", "-l", "app.kubernetes.io/component=backend", "-o", "name") == before
    # It is another database: nobody is known there, and everybody may come.
    assert visitor(lost, "lost").signed_up("before@example.org").add("anew") == 201


def test_a_changed_password_reaches_the_database_that_runs_and_fails_no_request(lost: Releases) -> None:
    kept = visitor(lost, "lost").signed_up("kept@example.org")
    assert kept.add("kept") == 201
    database = pod(lost, "lost-postgresql-0")
    with Load(kept, rate=20) as load:
        lost.upgrade("lost", postgresql={**GRACE, "password": "an/other p@ss:word"})
    assert load.wrong == []
    assert load.right > 20
    assert pod(lost, "lost-postgresql-0") == database, "without a volume another pod would be another database"
    lost.becomes("lost", "development")
    assert {"kept"} | load.added <= kept.titles()
    url = lost.kubectl("exec", "deploy/lost-backend", "-c", "backend", "--", "printenv", "DATABASE_URL")
    assert "an%2Fother%20p%40ss%3Aword@" in url


@pytest.fixture(scope="module")
def volume(cluster: Cluster) -> Iterator[str]:
    with volume_by_hand(cluster, "kept-by-hand") as name:
        yield name


def test_after_uninstalling_and_installing_again_nobody_is_locked_out_of_data_that_was_kept(
    releases: Releases, volume: str
) -> None:
    values: dict[str, Any] = {
        "fullnameOverride": "kept",
        "backend": FEW,
        "frontend": FEW,
        "ingress": {"host": "kept.example", "className": "traefik"},
        "postgresql": {"persistence": {"enabled": True, "storageClassName": volume}},
    }
    releases.install("kept", **values)
    assert visitor(releases, "kept").signed_up("kept@example.org").add("still there") == 201
    first = releases.kubectl("get", "secret", "kept", "-o", "jsonpath={.data.POSTGRES_PASSWORD}")
    releases.helm("uninstall", "kept", "--wait", "--timeout=180s")
    releases.install("kept", **values)
    assert releases.kubectl("get", "secret", "kept", "-o", "jsonpath={.data.POSTGRES_PASSWORD}") != first
    releases.becomes("kept", "development")
    account = {"email": "kept@example.org", "password": PASSWORD}
    status, text, headers = visitor(releases, "kept").ask("POST", "/api/v1/auth/sign-in", account)
    assert status == 200, text
    cookie = headers["Set-Cookie"].partition(";")[0]
    todos = Visitor(releases.cluster.ingress_address, "kept.example", cookie).ask("GET", "/api/v1/todos")[1]
    assert [todo["title"] for todo in json.loads(todos)["items"]] == ["still there"]
