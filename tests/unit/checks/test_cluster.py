"""What the checks see of a cluster: its API, and the pages through the ingress."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.cluster import ClusterView
from components.blocks.kubernetes_cluster import ClusterUnusable
from components.todo.deployed import DeployedTodo
from providers.errors import CommandFailed
from tests.unit.fake_api_server import FakeApiServer, fake_api_server
from tests.unit.systems.todo.memory_cluster import WRITTEN


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApiServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_api_server(tmp_path) as made:
        yield made


def view(server: FakeApiServer, **changed: Any) -> ClusterView:
    address = server.address.removeprefix("http://")
    written = {**WRITTEN, "address": address, **changed}
    return ClusterView(DeployedTodo.parse("todo", written), server.kubeconfig)


def test_a_page_is_asked_at_the_ingresss_address_under_the_pages_own_name(server: FakeApiServer):
    server.answers["/"] = (200, "<html>")
    assert view(server, host="todo.example.org").page("/").text == "<html>"
    assert server.hosts[-1] == "todo.example.org"
    assert view(server).page("/none").status == 404


def test_an_ingress_that_does_not_answer_or_has_no_address_is_status_0_and_says_why(server: FakeApiServer):
    assert view(server, address="127.0.0.1:1").page("/").status == 0
    assert "127.0.0.1:1" in view(server, address="127.0.0.1:1").page("/").text
    assert view(server, address="").page("/").text == "the ingress has no address"


def test_an_address_without_a_port_is_that_of_http_or_https(server: FakeApiServer, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, int]] = []

    def pool(self: ClusterView, host: str, port: int) -> Any:
        asked.append((host, port))
        raise ConnectionError

    monkeypatch.setattr(ClusterView, "_pool", pool)
    for address, tls in (("10.0.0.1", False), ("10.0.0.1", True), ("[fd00::1]", False), ("[fd00::1]:8080", False)):
        with pytest.raises(ConnectionError):
            view(server, address=address, tls=tls).page("/")
    assert asked == [("10.0.0.1", 80), ("10.0.0.1", 443), ("fd00::1", 80), ("fd00::1", 8080)]


def test_a_command_that_the_api_server_refuses_is_an_error_of_ours(server: FakeApiServer):
    with pytest.raises(CommandFailed, match="no command can be run in the pod todo-backend-1"):
        view(server).run("todo-backend-1", "backend", "true")


def test_a_cluster_that_is_off_stops_the_checks_with_its_name(server: FakeApiServer):
    server.kubeconfig.unlink()
    with pytest.raises(ClusterUnusable, match='context "trial"'):
        view(server).ask("/api")


def test_without_a_setting_the_kubeconfig_is_where_kubectl_finds_it(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
):
    server.answers["/api"] = (200, {})
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    assert ClusterView(DeployedTodo.parse("todo", WRITTEN), None).ask("/api") == {}
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    with pytest.raises(ClusterUnusable, match="/nowhere"):
        ClusterView(DeployedTodo.parse("todo", WRITTEN), None).ask("/api")
