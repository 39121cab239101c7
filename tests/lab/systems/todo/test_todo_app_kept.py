"""The todo app's data in the cluster: what destroy leaves, what comes back, and what is nobody's to take over."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab import Lab
from lab.kubernetes.cluster import Cluster
from tests.lab.engine_providers import kubernetes_plugins
from tests.lab.project import shown, went_well
from tests.lab.support import until
from tests.lab.systems.todo.releases import volume_by_hand
from tests.lab.systems.todo.stack import Stack
from tests.lab.systems.todo.visitor import PASSWORD, Visitor

KEPT, FOREIGN = "todo-kept", "somebody-elses"
FEW = {"replicas": 1}


@pytest.fixture(scope="module")
def kept(cluster: Cluster, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a stack whose database has a volume; its data is protected."""
    with volume_by_hand(cluster, "kept-by-the-app") as kind:
        folder = tmp_path_factory.mktemp("todo-kept")
        made = Stack(folder, kubernetes_plugins(), cluster, lab.todo_images(), KEPT, "kept-app.example")
        values = made.whole["values"]
        values["postgresql"]["persistence"] = {"storageClassName": kind}
        parts = {part: {**made.whole[part], **FEW} for part in ("backend", "frontend")}
        made.settings(postgres={"enabled": True, "storage": "1Gi"}, values=values, **parts, **{"protect-data": True})
        try:
            made.up()
            yield made
        finally:
            cluster.kubectl("delete", "namespace", KEPT, "--ignore-not-found", "--timeout=180s", timeout=200)


def test_data_that_is_protected_is_not_destroyed(kept: Stack) -> None:
    assert kept.visitor("kept@example.org").add("still there") == 201
    answer = kept.workspace.destroy(check=False)
    assert answer.returncode != 0, shown(answer)
    assert "protect" in shown(answer)
    assert f"namespace/{KEPT}" in kept.namespaces()
    assert kept.kubectl("get", "persistentvolumeclaims", "-o", "name").strip()


def test_destroy_leaves_the_volume_alone_and_the_next_up_finds_the_data_whatever_the_password_is(kept: Stack) -> None:
    kept.change(**{"protect-data": False})
    went_well(kept.workspace.destroy(check=False))
    assert not kept.workspace.state().get("resources")
    left = ("get", "deployments,statefulsets,services,secrets,ingresses,jobs", "-o", "name")
    until(lambda: kept.kubectl(*left) == "", "nothing but the volume is left", 60)
    assert kept.kubectl("get", "persistentvolumeclaims", "-o", "name").split() == [
        "persistentvolumeclaim/data-todo-postgresql-0"
    ]
    kept.workspace.configure("hearth:todo-postgres-password", "canary-another-password", secret=True)
    kept.up()
    visitor = Visitor(kept.cluster.ingress_address, kept.host)
    account = {"email": "kept@example.org", "password": PASSWORD}
    until(lambda: visitor.status("/api/v1/health") == 200, "the pages answer", 120)
    status, text, headers = visitor.ask("POST", "/api/v1/auth/sign-in", account)
    assert status == 200, text
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert Visitor(visitor.address, visitor.host, cookie).titles() == {"still there"}
    assert kept.wrong() == []
    assert kept.workspace.drift().returncode == 0


def test_data_that_is_to_go_goes_with_the_namespace(kept: Stack) -> None:
    kept.change(data="remove")
    went_well(kept.workspace.destroy(check=False))
    assert f"namespace/{KEPT}" not in kept.namespaces()


def test_a_namespace_of_somebody_else_is_refused_and_stays_as_it_is(kept: Stack) -> None:
    kept.cluster.kubectl("create", "namespace", FOREIGN)
    try:
        kept.settings(namespace=FOREIGN, data="keep")
        for postgres in ({"enabled": True, "storage": "1Gi"}, {"enabled": True}):
            kept.settings(postgres=postgres)
            answer = kept.workspace.up(check=False)
            assert answer.returncode != 0, shown(answer)
            assert f'the namespace "{FOREIGN}"' in shown(answer)
            assert "nothing was touched" in shown(answer)
        found = json.loads(kept.cluster.kubectl("get", "namespace", FOREIGN, "-o", "json").stdout)
        assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": FOREIGN}
    finally:
        kept.cluster.kubectl("delete", "namespace", FOREIGN, "--wait=false")
