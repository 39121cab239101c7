"""The todo app's chart by helm alone, on the lab's cluster: install, check, upgrade, roll back, uninstall."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from checks.result import Status
from checks.todo import check_todo
from components.todo_values import image_values
from lab import Lab
from lab.kubernetes import Cluster
from tests.lab.helm import CHART
from tests.lab.todo_visitor import Visitor

SPACE = "todo-helm"
KINDS = (
    "deployments,statefulsets,replicasets,jobs,pods,services,ingresses,configmaps,secrets,serviceaccounts,"
    "poddisruptionbudgets,networkpolicies,horizontalpodautoscalers,persistentvolumeclaims"
)
OWN = "app.kubernetes.io/name=todo"


class Releases:
    """Helm on the lab's cluster, in one namespace."""

    def __init__(self, cluster: Cluster, images: Mapping[str, str]) -> None:
        self.cluster = cluster
        self._images = {part: {"image": image_values(image)} for part, image in images.items()}

    def helm(self, *words: str, **values: Any) -> str:
        whole = {**{part: {**self._images[part], **values.pop(part, {})} for part in ("backend", "frontend")}, **values}
        flags = ["--values", "-"] if words[0] in ("install", "upgrade", "template") else []
        return self.cluster.helm("--namespace", SPACE, *words, *flags, stdin=json.dumps(whole), timeout=400).stdout

    def install(self, release: str, **values: Any) -> str:
        ingress = {"host": f"{release}.example", "className": "traefik"}
        dev = f"--values={CHART / 'values-dev.yaml'}"
        return self.helm("install", release, str(CHART), dev, "--wait", "--timeout=300s", ingress=ingress, **values)

    def upgrade(self, release: str, **values: Any) -> None:
        words = ("upgrade", release, str(CHART), "--reset-then-reuse-values", "--wait", "--timeout=300s")
        self.helm(*words, **values)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", SPACE, *words, stdin=stdin).stdout

    def environment(self, release: str) -> str:
        """What a release's pages say of themselves."""
        status, text, _ = Visitor(self.cluster.ingress_address, f"{release}.example").ask("GET", "/api/v1/health")
        assert status == 200, text
        return json.loads(text)["environment"]

    def becomes(self, release: str, environment: str) -> None:
        """Wait until the pages say so: for a few seconds a proxy still asks pods that are on their way out."""
        deadline = time.monotonic() + 60
        while (seen := self.environment(release)) != environment:
            assert time.monotonic() < deadline, f"still {seen}"
            time.sleep(0.5)

    def deployed(self, release: str) -> dict[str, Any]:
        """What the checks need to know, as the component would say it."""
        return {
            "kubeconfig": str(self.cluster.kubeconfig),
            "context": "hearth-lab",
            "namespace": SPACE,
            "name": release,
            "secret": release,
            "address": self.cluster.ingress_address,
            "host": f"{release}.example",
            "tls": False,
            "replicas": {"backend": 2, "frontend": 2},
            "environment": "development",
            "postgres": True,
            "start_timeout": 120,
        }


@pytest.fixture(scope="module")
def releases(cluster: Cluster, lab: Lab) -> Iterator[Releases]:
    made = Releases(cluster, lab.todo_images())
    cluster.kubectl("create", "namespace", SPACE)
    # So the API server validates the chart's pods against the level as well.
    cluster.kubectl("label", "namespace", SPACE, "pod-security.kubernetes.io/enforce=restricted")
    yield made
    cluster.kubectl("delete", "namespace", SPACE, "--timeout=180s", timeout=200)


@pytest.fixture(scope="module")
def installed(releases: Releases) -> Releases:
    """The release `todo`, with values-dev.yaml."""
    told = releases.install("todo").partition("NOTES:")[2]
    assert "http://todo.example/" in told
    assert "the database's data goes with its pod" in told
    assert "helm test todo -n todo-helm" in told
    return releases


@pytest.mark.parametrize("file", ["values-dev.yaml", "values-prod.yaml"])
def test_the_api_server_accepts_every_object_of_a_set_of_values(releases: Releases, file: str) -> None:
    gateway = {"enabled": True, "parentRefs": [{"name": "traefik", "namespace": "kube-system"}]}
    # Schemas of objects of their own, and strict: an unknown field is refused.
    words = ("template", "tried", str(CHART), f"--values={CHART / file}", "--no-hooks")
    text = releases.helm(*words, gateway=gateway)
    told = releases.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert "deployment.apps/tried-todo-backend created (server dry run)" in told
    assert "httproute" in told
    assert ("horizontalpodautoscaler" in told) is (file == "values-prod.yaml")


def test_an_installation_with_the_values_for_development_passes_the_checks(installed: Releases) -> None:
    found = check_todo(installed.deployed("todo"))
    assert [row for row in found if row.status is Status.FAIL] == []


def test_helm_test_asks_backend_and_frontend(installed: Releases) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", "todo", "--timeout=120s")


def test_an_upgrade_arrives_keeps_the_secrets_that_were_made_up_and_can_be_rolled_back(installed: Releases) -> None:
    kept = installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}")
    installed.upgrade("todo", config={"environment": "upgraded"})
    installed.becomes("todo", "upgraded")
    assert installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}") == kept
    installed.helm("rollback", "todo", "--wait", "--timeout=300s")
    installed.becomes("todo", "development")
    assert installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}") == kept


def test_a_second_release_lives_beside_the_first_with_a_migration_by_a_hook(installed: Releases) -> None:
    few = {"replicas": 1}
    installed.install("second", backend=few, frontend=few, migrations={"mode": "hook"}, fullnameOverride="second")
    visitor = Visitor(installed.cluster.ingress_address, "second.example").signed_up("second@example.org")
    assert visitor.add("only here") == 201
    # Now by the hook; what was there stays.
    installed.upgrade("second", backend=few, frontend=few, config={"environment": "hooked"})
    installed.becomes("second", "hooked")
    assert visitor.titles() == {"only here"}
    assert installed.environment("todo") == "development"
    status, text, _ = Visitor(installed.cluster.ingress_address, "todo.example", visitor.cookie).ask(
        "GET", "/api/v1/todos"
    )
    assert status == 401, text


def test_after_uninstalling_nothing_is_left(installed: Releases) -> None:
    for release in installed.helm("list", "--short").split():
        installed.helm("uninstall", release, "--wait", "--timeout=180s")

    def left() -> str:
        return installed.kubectl("get", KINDS, "-l", OWN, "-o", "name", "--ignore-not-found")

    # Pods take their time to end in good order.
    deadline = time.monotonic() + 120
    while left() and time.monotonic() < deadline:
        time.sleep(1)
    assert left() == ""
    assert "sh.helm.release" not in installed.kubectl("get", "secrets", "-o", "name")
