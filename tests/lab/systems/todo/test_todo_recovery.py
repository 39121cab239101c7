"""What the todo app's chart comes back from: a new database; and that its pods run under numbers as OpenShift's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.result import Status
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from lab import Lab
from lab.kubernetes.cluster import Cluster
from tests.lab.support import until
from tests.lab.systems.todo.releases import Releases
from tests.lab.systems.todo.visitor import Visitor

SPACE = "todo-recovery"
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
    releases.install("lost", fullnameOverride="lost", backend=GIVEN, frontend=GIVEN, ingress=ingress)
    return releases


def visitor(releases: Releases, release: str) -> Visitor:
    return Visitor(releases.cluster.ingress_address, f"{release}.example")


def pod(releases: Releases, name: str) -> str:
    """Return what is never used twice of a pod."""
    return releases.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")


def test_under_a_number_that_the_images_do_not_know_it_passes_the_checks(lost: Releases) -> None:
    deployed = DeployedTodo.model_validate({**lost.deployed("lost"), "replicas": {"backend": 1, "frontend": 1}})
    assert [row for row in check_todo(deployed) if row.status is Status.FAIL] == []
    for part in ("backend", "frontend"):
        told = lost.kubectl("exec", f"deploy/lost-{part}", "-c", part, "--", "id", "-u")
        assert told.strip() == "1000680000"


def test_a_database_that_went_with_its_pod_gets_its_tables_back_by_itself(lost: Releases) -> None:
    visitor(lost, "lost").signed_up("before@example.org")
    before = lost.kubectl("get", "pods", "-l", "app.kubernetes.io/component=backend", "-o", "name")
    lost.kubectl("delete", "pod", "lost-postgresql-0", "--grace-period=1")
    until(lambda: lost.environment("lost").startswith("503"), "readiness tells of it", 60)
    lost.becomes("lost", "development")
    assert lost.kubectl("get", "pods", "-l", "app.kubernetes.io/component=backend", "-o", "name") == before
    # It is another database: nobody is known there, and everybody may come.
    assert visitor(lost, "lost").signed_up("before@example.org").add("anew") == 201
