"""The todo app's chart by helm alone, on the lab's cluster: install, check, upgrade, roll back, uninstall."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.result import Status
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from lab import Lab
from lab.kubernetes import certificates
from lab.kubernetes.cluster import Cluster
from tests.lab.support import until
from tests.lab.systems.todo.helm import CHART
from tests.lab.systems.todo.releases import Releases, volume_by_hand
from tests.lab.systems.todo.visitor import PASSWORD, Visitor

SPACE = "todo-helm"
KINDS = (
    "deployments,statefulsets,replicasets,jobs,pods,services,ingresses,configmaps,secrets,serviceaccounts,"
    "poddisruptionbudgets,networkpolicies,httproutes,horizontalpodautoscalers,persistentvolumeclaims"
)
GATEWAY = {"enabled": True, "parentRefs": [{"name": "traefik", "namespace": "kube-system"}]}
OWN = "app.kubernetes.io/name=todo"


@pytest.fixture(scope="module")
def releases(cluster: Cluster, lab: Lab) -> Iterator[Releases]:
    made = Releases(cluster, lab.todo_images(), SPACE)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def authority() -> certificates.Pair:
    """Return who signs the certificate of the pages."""
    return certificates.make_authority()


@pytest.fixture(scope="module")
def installed(releases: Releases, authority: certificates.Pair) -> Releases:
    """Return the release `todo`, with values-dev.yaml, by an Ingress with a certificate."""
    pair = certificates.issue(authority, "todo.example", server_names=["todo.example"])
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "todo-tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.public, "tls.key": pair.key},
    }
    releases.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    tls = [{"secretName": "todo-tls", "hosts": ["todo.example"]}]
    ingress = {"host": "todo.example", "className": "traefik", "tls": tls}
    told = releases.install("todo", ingress=ingress).partition("NOTES:")[2]
    assert "https://todo.example/" in told
    assert "the database's data goes with its pod" in told
    assert "helm test todo -n todo-helm" in told
    return releases


@pytest.mark.parametrize("file", ["values-dev.yaml", "values-prod.yaml"])
def test_the_api_server_accepts_every_object_of_a_set_of_values(releases: Releases, file: str) -> None:
    # Schemas of objects of their own, and strict: an unknown field is refused.
    words = ("template", "tried", str(CHART), f"--values={CHART / file}", "--no-hooks")
    text = releases.helm(*words, gateway=GATEWAY)
    told = releases.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert "deployment.apps/tried-todo-backend created (server dry run)" in told
    assert "httproute" in told
    assert ("horizontalpodautoscaler" in told) is (file == "values-prod.yaml")


def test_an_installation_with_the_values_for_development_passes_the_checks(installed: Releases) -> None:
    found = check_todo(DeployedTodo.parse("todo", installed.deployed("todo")), kubeconfig=installed.cluster.kubeconfig)
    assert [row for row in found if row.status is Status.FAIL] == []


def test_over_tls_it_passes_the_checks_and_a_session_is_for_tls_alone(
    installed: Releases, authority: certificates.Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authority.crt").write_text(authority.public)
    # How a person tells programs of an authority of one's own.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.crt"))
    address = installed.cluster.ingress_tls_address
    deployed = DeployedTodo.parse("todo", {**installed.deployed("todo"), "tls": True, "address": address})
    found = check_todo(deployed, kubeconfig=installed.cluster.kubeconfig)
    assert [row for row in found if row.status is Status.FAIL] == []
    trusting = ssl.create_default_context(cadata=authority.public)
    account = {"email": "tls@example.org", "password": PASSWORD}
    status, text, headers = Visitor(address, "todo.example", tls=trusting).ask("POST", "/api/v1/auth/register", account)
    assert status == 201, text
    assert "; Secure" in headers["Set-Cookie"]
    status, text, headers = Visitor(installed.cluster.ingress_address, "todo.example").ask(
        "POST", "/api/v1/auth/sign-in", account
    )
    assert status == 200, text
    assert "; Secure" not in headers["Set-Cookie"], "a browser would not send it back over http"


def test_helm_test_asks_backend_and_frontend(installed: Releases) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", "todo", "--timeout=300s")


def test_an_upgrade_arrives_keeps_the_secrets_that_were_made_up_and_can_be_rolled_back(installed: Releases) -> None:
    kept = installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}")
    installed.upgrade("todo", config={"environment": "upgraded"})
    installed.becomes("todo", "upgraded")
    assert installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}") == kept
    installed.helm("rollback", "todo", "--wait", "--timeout=300s")
    installed.becomes("todo", "development")
    assert installed.kubectl("get", "secret", "todo", "-o", "jsonpath={.data}") == kept


@pytest.fixture(scope="module")
def storage_class(cluster: Cluster) -> Iterator[str]:
    with volume_by_hand(cluster, "by-hand") as made:
        yield made


def test_a_second_release_lives_beside_the_first_by_a_gateway_with_a_migration_by_a_hook(
    installed: Releases, storage_class: str
) -> None:
    few = {"replicas": 1}
    kept = {"persistence": {"enabled": True, "storageClassName": storage_class}}
    ways = {"ingress": {"enabled": False}, "gateway": {**GATEWAY, "hostnames": ["second.example"]}}
    migrations = {"mode": "hook"}
    installed.install(
        "second", backend=few, frontend=few, migrations=migrations, fullnameOverride="second", postgresql=kept, **ways
    )
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


def test_what_is_in_a_volume_outlives_the_databases_pod(installed: Releases) -> None:
    visitor = Visitor(installed.cluster.ingress_address, "second.example").signed_up("kept@example.org")
    assert visitor.add("kept") == 201
    installed.kubectl("delete", "pod", "second-postgresql-0")
    installed.kubectl("rollout", "status", "statefulset/second-postgresql", "--timeout=300s")
    installed.kubectl("rollout", "status", "deployment/second-backend", "--timeout=300s")
    installed.becomes("second", "hooked")
    assert visitor.titles() == {"kept"}


def test_after_uninstalling_nothing_is_left(installed: Releases) -> None:
    for release in installed.helm("list", "--short").split():
        installed.helm("uninstall", release, "--wait", "--timeout=180s")
    # Data in a volume is nobody's to throw away but its owner's.
    claims = installed.kubectl("get", "persistentvolumeclaims", "-o", "name").split()
    assert claims == ["persistentvolumeclaim/data-second-postgresql-0"]
    installed.kubectl("delete", *claims)

    def left() -> str:
        return installed.kubectl("get", KINDS, "-l", OWN, "-o", "name", "--ignore-not-found")

    # Pods take their time to end in good order.
    until(lambda: not left(), "every pod is gone", 240)
    assert left() == ""
    assert "sh.helm.release" not in installed.kubectl("get", "secrets", "-o", "name")
