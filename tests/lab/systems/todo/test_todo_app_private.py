"""The todo app from a registry that asks who comes, under a certificate of its own, in a namespace that `up` makes."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from checks.result import Status
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from lab import Lab, Service
from lab.kubernetes import certificates
from lab.kubernetes.cluster import Cluster
from tests.lab.engine_providers import kubernetes_plugins
from tests.lab.project import shown, went_well
from tests.lab.support import until
from tests.lab.systems.todo.stack import Stack
from tests.lab.systems.todo.visitor import Visitor

SPACE, HOST = "todo-private", "private.example"
PRIVATE = "registry:5001"
USER, PASSWORD = "robot$lab", 'canary p@ss"wo\\rd'
FILES = "/tmp/private"
"""In the registry's container."""
CONFIGURATION = f"""\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: /srv/registry}}}}
http: {{addr: ":5001"}}
auth: {{htpasswd: {{realm: lab, path: {FILES}/htpasswd}}}}
"""
TRUSTED = '[host."http://registry:5001"]\n  capabilities = ["pull", "resolve"]\n'
TRUSTED_FOLDER = "/etc/containerd/certs.d/registry_5001_"


@pytest.fixture(scope="module")
def private(registry: Service, cluster: Cluster) -> Iterator[None]:
    """Let the lab's registry answer on another port too, to whoever logs in."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
    registry.run(f"mkdir -p {FILES} && cat > {FILES}/htpasswd", stdin=f"{USER}:{hashed}\n")
    registry.run(f"cat > {FILES}/config.yml", stdin=CONFIGURATION)
    serve = f"docker-registry serve {FILES}/config.yml </dev/null >{FILES}/log 2>&1 & echo $! >{FILES}/pid"
    registry.run(serve)
    for node in cluster.nodes:
        node.run(f"mkdir -p {TRUSTED_FOLDER}")
        node.write(f"{TRUSTED_FOLDER}/hosts.toml", TRUSTED)
    yield
    for node in cluster.nodes:
        node.run(f"rm -r {TRUSTED_FOLDER}")
    registry.run(f"kill $(cat {FILES}/pid); rm -r {FILES}")


@pytest.fixture(scope="module")
def authority() -> certificates.Pair:
    return certificates.make_authority()


@pytest.fixture(scope="module")
def own(
    private: None,
    authority: certificates.Pair,
    cluster: Cluster,
    lab: Lab,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Yield the stack before its first `up`: nothing of it is on the cluster."""
    images = {part: name.replace("registry:5000", PRIVATE) for part, name in lab.todo_images().items()}
    made = Stack(tmp_path_factory.mktemp("todo-private"), kubernetes_plugins(), cluster, images, SPACE, HOST)
    pair = certificates.issue(authority, HOST, server_names=[HOST])
    made.workspace.configure_secrets({"hearth:todo-tls-certificate": pair.public, "hearth:todo-tls-key": pair.key})
    parts = {part: {**made.whole[part], "replicas": 1} for part in images}
    made.settings(
        ingress={**made.whole["ingress"], "own-certificate": True},
        **{"registry-login": {"address": PRIVATE, "user": USER}},
        **parts,
    )
    try:
        yield made
    finally:
        made.gone()
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", "--timeout=180s", timeout=200)


def test_up_makes_login_and_certificate_in_a_new_namespace_before_what_needs_them(
    own: Stack, authority: certificates.Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = own.workspace.up(check=False)
    assert refused.returncode != 0
    assert "hearth:todo-registry-password" in shown(refused)
    assert f"namespace/{SPACE}" not in own.namespaces()
    own.workspace.configure("hearth:todo-registry-password", PASSWORD, secret=True)
    printed = own.up()
    assert "canary" not in printed
    assert "PRIVATE KEY" not in printed
    for part in ("backend", "frontend"):
        image = own.whole[part]["image"]
        assert image.startswith(f"{PRIVATE}/")

        def pulled(image: str = image) -> bool:
            told = [each["message"] for each in own.objects("events", "--field-selector=reason=Pulled")]
            return any(each.startswith(f'Successfully pulled image "{image}"') for each in told)

        until(pulled, f"an event tells that {image} was pulled", 60)
    (tmp_path / "authority.crt").write_text(authority.public)
    # How a person tells programs of an authority of one's own.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.crt"))
    told = {**own.workspace.outputs()["todo"], "address": own.cluster.ingress_tls_address}
    rows = check_todo(DeployedTodo.parse("todo", told), kubeconfig=own.cluster.kubeconfig)
    assert rows
    assert [row for row in rows if row.status is Status.FAIL] == []
    trusting = ssl.create_default_context(cadata=authority.public)
    visitor = Visitor(own.cluster.ingress_tls_address, HOST, tls=trusting).signed_up("tls@example.org")
    assert visitor.add("over a certificate of its own") == 201
    state = json.dumps(own.workspace.state())
    assert "canary" not in state
    assert "PRIVATE KEY" not in state
    assert own.workspace.drift().returncode == 0


def test_without_the_login_the_registry_gives_nothing(own: Stack) -> None:
    # So that the test above shows what it says: whoever does not log in is sent away.
    image = own.living("backend")[0]["spec"]["containers"][0]["image"]
    node = own.cluster.nodes[0]
    answer = node.run(f"ctr images pull --hosts-dir /etc/containerd/certs.d {image}", check=False)
    assert not answer.ok
    assert "401" in answer.stderr or "authorization" in answer.stderr, answer.stderr


def test_an_issuer_instead_is_an_annotation_and_the_secret_is_left_to_it(own: Stack) -> None:
    ingress = {key: value for key, value in own.whole["ingress"].items() if key != "own-certificate"}
    own.change(ingress={**ingress, "issuer": "letsencrypt"})
    (found,) = own.objects("ingresses")
    assert found["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert found["spec"]["tls"] == [{"hosts": [HOST], "secretName": "todo-tls"}]
    # cert-manager's, from now on: it makes one where there is none.
    names = {each["metadata"]["name"] for each in own.objects("secrets")}
    assert "todo-tls" not in names
    assert "todo-registry" in names
    went_well(own.workspace.destroy(check=False))
    until(lambda: f"namespace/{SPACE}" not in own.namespaces(), "the namespace is gone", 180)
