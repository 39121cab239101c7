"""A cluster as a kubeconfig's context names it: every way in which it can be out of reach ends in one clear error."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from components.blocks.kubernetes_cluster import ClusterUnusable, KubernetesCluster, address_of
from tests.unit.fake_api_server import FakeApiServer, fake_api_server

INGRESS = "/apis/networking.k8s.io/v1/namespaces/todo/ingresses/todo"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApiServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_api_server(tmp_path) as made:
        yield made


def refused(cluster: KubernetesCluster) -> str:
    with pytest.raises(ClusterUnusable) as caught:
        cluster.reach(2)
    assert isinstance(caught.value, pulumi.RunError), "Pulumi shows a traceback of everything else"
    message = str(caught.value)
    assert f'"{cluster.context}"' in message
    assert str(cluster.kubeconfig) in message
    assert "What to do: " in message
    return message


def test_a_cluster_that_lets_us_in_is_asked_with_the_contexts_own_token(server: FakeApiServer):
    KubernetesCluster(server.kubeconfig, "trial").reach(2)
    assert server.asked == ["GET /api"]
    assert server.tokens == ["Bearer canary-token"]


def test_a_cluster_that_is_off_is_named_by_its_context_and_address(server: FakeApiServer):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.write_kubeconfig(f"http://127.0.0.1:{free.getsockname()[1]}")
        message = refused(KubernetesCluster(server.kubeconfig, "trial"))
    assert f"can't be reached at {server.address}; nothing was touched" in message
    assert "--context trial version" in message
    assert "canary" not in message


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused_are_told_apart(server: FakeApiServer, status: int):
    server.answers["/api"] = (status, {"message": "Unauthorized"})
    message = refused(KubernetesCluster(server.kubeconfig, "trial"))
    assert f"does not let us in ({status} at /api)" in message
    assert "| Unauthorized" in message


def test_a_server_that_fails_or_is_no_api_server_is_said_to(server: FakeApiServer):
    server.answers["/api"] = (500, "on fire")
    assert "answers 500 at /api" in refused(KubernetesCluster(server.kubeconfig, "trial"))
    server.answers["/api"] = (404, "<html>")
    assert "does not answer as a Kubernetes API server does" in refused(KubernetesCluster(server.kubeconfig, "trial"))


@pytest.mark.parametrize("content", [None, "", "a: [", "apiVersion: v1\nkind: Config\n"])
def test_a_kubeconfig_that_is_missing_or_broken_is_said_to_be(tmp_path: Path, content: str | None):
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    assert "the kubeconfig does not tell how" in refused(KubernetesCluster(path, "trial"))


def test_a_context_that_does_not_exist_comes_with_the_command_that_lists_them(server: FakeApiServer):
    assert "config get-contexts" in refused(KubernetesCluster(server.kubeconfig, "other"))
    assert server.asked == []


def test_what_is_not_there_is_none(server: FakeApiServer):
    assert KubernetesCluster(server.kubeconfig, "trial").ask("/api/v1/namespaces/none") is None


def test_the_ingresss_address_is_what_its_status_says(server: FakeApiServer):
    cluster = KubernetesCluster(server.kubeconfig, "trial")
    assert cluster.ingress_address("todo", "todo") == ""
    server.answers[INGRESS] = (200, {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.49.2"}]}}})
    assert cluster.ingress_address("todo", "todo") == "192.168.49.2"


def test_an_ingress_has_an_ip_a_host_name_or_nothing_yet():
    assert address_of({"status": {"loadBalancer": {"ingress": [{"hostname": "a.elb"}]}}}) == "a.elb"
    assert address_of({"status": {"loadBalancer": {}}}) == ""
    assert address_of({}) == ""
