"""The lab's Kubernetes cluster: a real control plane, real pods, names, ingress."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from lab.kubernetes import build
from lab.kubernetes.cluster import Cluster
from tests.lab.lab.cluster_pods import BUSYBOX, Space, apply, get, make_namespace, space_on
from tests.lab.support import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[Space]:
    """Yield a namespace with web servers in it."""
    with space_on(cluster, "lab-one-node") as made:
        yield made


def test_the_first_node_is_ready_at_the_pinned_version(cluster: Cluster) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    assert nodes[0]["metadata"]["name"] == "kube1"
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{build.KUBERNETES}"}
    until(lambda: set(cluster.node_states().values()) == {"Ready"}, "each node is ready")
    assert cluster.helm("version", "--short").stdout.startswith(f"v{build.HELM}")


def test_the_kubeconfig_is_private_names_the_context_and_the_server_by_its_address(cluster: Cluster) -> None:
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    shown = json.loads(cluster.kubectl("config", "view", "-o", "json").stdout)
    assert shown["current-context"] == "hearth-lab"
    assert shown["clusters"][0]["cluster"]["server"] == f"https://{cluster.nodes[0].address}:6443"


def test_the_api_server_proves_who_it_is_and_refuses_who_brings_no_certificate(cluster: Cluster) -> None:
    place = json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(place["certificate-authority-data"]).decode())
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(*handlers).open(f"{place['server']}/api/v1/secrets", timeout=30)
    assert refused.value.code == 403
    assert "system:anonymous" in refused.value.read().decode()


def test_both_replicas_answer_through_the_ingress(space: Space) -> None:
    names = {pod["metadata"]["name"] for pod in space.pods("web")}
    assert len(names) == 2
    seen: set[str] = set()

    def all_seen() -> bool:
        status, text = get(space.cluster.ingress_address, "web.example")
        if status == 200:
            seen.add(text.split()[1])
        return seen == names

    until(all_seen, f"answers of {names}")
    until(lambda: get(space.cluster.ingress_address, "nobody.example")[0] == 404, "nobody's name is not found")


def test_an_http_route_of_the_gateway_api_answers_too(space: Space) -> None:
    route = {
        "parentRefs": [{"name": "traefik", "namespace": "kube-system"}],
        "hostnames": ["route.example"],
        "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
    }
    space.apply("HTTPRoute", "web", route, "gateway.networking.k8s.io/v1")
    until(lambda: get(space.cluster.ingress_address, "route.example")[0] == 200, "an answer for route.example")


def test_an_ingress_tells_the_address_that_it_answers_at(space: Space) -> None:
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    told = until(lambda: space.kubectl("get", "ingress", "web", "-o", path), "a status")
    assert f"{told}:80" == space.cluster.ingress_address


def test_pods_find_services_and_the_labs_machines_by_name(space: Space) -> None:
    pod = space.pods("web")[0]["metadata"]["name"]
    assert space.inside(pod, "wget -q -O - http://web").split()[1] in {p["metadata"]["name"] for p in space.pods("web")}
    assert space.inside(pod, f"wget -q -O - http://web.{space.name}.svc.cluster.local") != ""
    assert space.inside(pod, "wget -q -O - http://registry:5000/v2/").strip() == "{}"


def test_a_pod_without_the_restricted_settings_is_refused_where_they_are_asked_for(cluster: Cluster) -> None:
    make_namespace(cluster, "strict", {"pod-security.kubernetes.io/enforce": "restricted"})
    try:
        answer = cluster.kubectl("-n", "strict", "run", "loose", f"--image={BUSYBOX}", check=False)
        assert not answer.ok
        assert 'violates PodSecurity "restricted' in answer.stderr
    finally:
        cluster.kubectl("delete", "namespace", "strict", "--wait=false")


def test_the_databases_stand_in_starts_as_uid_999_under_the_restricted_settings(cluster: Cluster) -> None:
    container = {
        "name": "postgresql",
        "image": "docker.io/library/postgres:17",
        "env": [
            {"name": "POSTGRES_PASSWORD", "value": "only-for-this-test"},
            {"name": "POSTGRES_DB", "value": "todo"},
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
    }
    account = {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999, "runAsNonRoot": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "postgresql", "namespace": "databases"},
        "spec": {
            "securityContext": {**account, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": name, "emptyDir": {}} for name in ("data", "run", "tmp")],
        },
    }
    make_namespace(cluster, "databases", {"pod-security.kubernetes.io/enforce": "restricted"})
    try:
        apply(cluster, pod)
        cluster.kubectl(
            "-n", "databases", "wait", "--for=condition=Ready", "pod/postgresql", "--timeout=300s", timeout=330
        )
        ask = [
            "exec",
            "postgresql",
            "--",
            "psql",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            "todo",
            "-Atc",
            "select 40+2",
        ]
        assert cluster.kubectl("-n", "databases", "exec", "postgresql", "--", "id", "-u").stdout.strip() == "999"
        asked = ["env", "PGPASSWORD=only-for-this-test", *ask[3:]]
        assert cluster.kubectl("-n", "databases", *ask[:3], *asked).stdout.strip() == "42"
    finally:
        cluster.kubectl("delete", "namespace", "databases", "--wait=false")
