"""The lab's Kubernetes cluster: real nodes, real pods, names, ingress, a second node, and nothing left of it."""

from __future__ import annotations

import base64
import json
import shlex
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab import Lab, engine
from lab.kubernetes import Cluster
from toolchain import kubebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import Machine

BUSYBOX = "registry:5000/secondbrain/backend:latest"
SPACE = "lab-test"
SERVE = "mkdir -p /tmp/www; echo $NODE $(hostname) > /tmp/www/index.html; exec httpd -f -p 8000 -h /tmp/www"
WAIT = 90.0


def until(answer: Callable[[], Any], what: str, seconds: float = WAIT) -> Any:
    """Ask again until the answer is true, for as long as a slow machine may take."""
    deadline = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.3)
    return found


def get(address: str, host: str, path: str = "/") -> tuple[int, str]:
    """Ask the ingress for a host; 0 where it can't be reached."""
    request = urllib.request.Request(f"http://{address}{path}", headers={"Host": host})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def web(name: str, replicas: int) -> list[dict[str, Any]]:
    """A deployment that tells its node and its pod, spread over the nodes, and its service."""
    labels = {"app": name}
    node = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    container = {
        "name": "web",
        "image": BUSYBOX,
        "command": ["sh", "-c", SERVE],
        "env": [node],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {"containers": [container], "topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 5}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    return [deployment, service]


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    """Apply objects on the server's side."""
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(json.dumps(one) for one in objects))


def pods(cluster: Cluster, app: str) -> list[dict[str, Any]]:
    """The pods of an app that are not on their way out."""
    answer = cluster.kubectl("-n", SPACE, "get", "pods", "-l", f"app={app}", "-o", "json").stdout
    return [item for item in json.loads(answer)["items"] if "deletionTimestamp" not in item["metadata"]]


def inside(cluster: Cluster, pod: str, command: str) -> str:
    """Run a shell command in a pod."""
    return cluster.kubectl("-n", SPACE, "exec", pod, "--", "sh", "-c", command).stdout


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with a namespace and two replicas of a web server behind an ingress in it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "web.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": SPACE},
        "spec": {"ingressClassName": "traefik", "rules": [rule]},
    }
    apply(cluster, namespace)
    apply(cluster, *web("web", 2), ingress)
    cluster.kubectl("-n", SPACE, "rollout", "status", "deployment/web", "--timeout=120s", timeout=150)
    yield cluster
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


def test_the_first_node_is_ready_at_the_pinned_version(cluster: Cluster) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    assert nodes[0]["metadata"]["name"] == "kube1"
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{kubebuild.KUBERNETES}"}
    assert set(cluster.node_states().values()) == {"Ready"}
    assert cluster.helm("version", "--short").stdout.startswith(f"v{kubebuild.HELM}")


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
        urllib.request.build_opener(*handlers).open(f"{place['server']}/api/v1/secrets", timeout=10)
    assert refused.value.code == 403
    assert "system:anonymous" in refused.value.read().decode()


def test_both_replicas_answer_through_the_ingress(space: Cluster) -> None:
    names = {pod["metadata"]["name"] for pod in pods(space, "web")}
    assert len(names) == 2
    seen: set[str] = set()

    def all_seen() -> bool:
        status, text = get(space.ingress_address, "web.example")
        if status == 200:
            seen.add(text.split()[1])
        return seen == names

    until(all_seen, f"answers of {names}")
    assert get(space.ingress_address, "nobody.example")[0] == 404


def test_an_http_route_of_the_gateway_api_answers_too(space: Cluster) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": SPACE},
        "spec": {
            "parentRefs": [{"name": "traefik", "namespace": "kube-system"}],
            "hostnames": ["route.example"],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
        },
    }
    apply(space, route)
    until(lambda: get(space.ingress_address, "route.example")[0] == 200, "an answer for route.example")


def test_an_ingress_tells_the_address_that_it_answers_at(space: Cluster) -> None:
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    told = until(lambda: space.kubectl("-n", SPACE, "get", "ingress", "web", "-o", path).stdout, "a status")
    assert f"{told}:80" == space.ingress_address


def test_pods_find_services_and_the_labs_machines_by_name(space: Cluster) -> None:
    pod = pods(space, "web")[0]["metadata"]["name"]
    assert inside(space, pod, "wget -q -O - http://web").split()[1] in {
        p["metadata"]["name"] for p in pods(space, "web")
    }
    assert inside(space, pod, "wget -q -O - http://web.lab-test.svc.cluster.local") != ""
    assert inside(space, pod, "wget -q -O - http://registry:5000/v2/").strip() == "{}"


def test_a_pod_without_the_restricted_settings_is_refused_where_they_are_asked_for(cluster: Cluster) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": label}}
    apply(cluster, namespace)
    try:
        answer = cluster.kubectl("-n", "strict", "run", "loose", f"--image={BUSYBOX}", check=False)
        assert not answer.ok
        assert 'violates PodSecurity "restricted' in answer.stderr
    finally:
        cluster.kubectl("delete", "namespace", "strict", "--wait=false")


def test_the_databases_stand_in_starts_as_uid_999_under_the_restricted_settings(cluster: Cluster) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
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
    apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "databases", "labels": label}})
    try:
        apply(cluster, pod)
        cluster.kubectl(
            "-n", "databases", "wait", "--for=condition=Ready", "pod/postgresql", "--timeout=120s", timeout=150
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


def test_pods_of_two_nodes_reach_each_other_by_address_and_by_name(space: Cluster, second_node: Machine) -> None:
    assert space.node_states() == {"kube1": "Ready", "kube2": "Ready"}
    apply(space, *web("wide", 2))
    space.kubectl("-n", SPACE, "rollout", "status", "deployment/wide", "--timeout=120s", timeout=150)
    found = pods(space, "wide")
    assert {pod["spec"]["nodeName"] for pod in found} == {"kube1", "kube2"}
    ranges = {pod["spec"]["nodeName"]: pod["status"]["podIP"].rpartition(".")[0] for pod in found}
    assert ranges == {"kube1": "10.244.1", "kube2": "10.244.2"}
    for one, other in (found, reversed(found)):
        name, address = one["metadata"]["name"], other["status"]["podIP"]
        told = inside(space, name, f"wget -q -O - -T 10 http://{address}:8000")
        assert told.split() == [other["spec"]["nodeName"], other["metadata"]["name"]]
        seen = inside(space, name, "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -q -O - -T 10 http://wide; done")
        assert set(seen.split()) & {"kube1", "kube2"} == {"kube1", "kube2"}


def test_a_drained_nodes_pods_come_up_on_the_other_one(space: Cluster, second_node: Machine) -> None:
    apply(space, *web("moved", 2))
    space.kubectl("-n", SPACE, "rollout", "status", "deployment/moved", "--timeout=120s", timeout=150)
    assert {pod["spec"]["nodeName"] for pod in pods(space, "moved")} == {"kube1", "kube2"}
    try:
        words = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"]
        space.kubectl("drain", second_node.name, *words, timeout=150)
        space.kubectl("-n", SPACE, "rollout", "status", "deployment/moved", "--timeout=120s", timeout=150)
        assert {pod["spec"]["nodeName"] for pod in pods(space, "moved")} == {"kube1"}
        assert get(space.ingress_address, "web.example")[0] == 200
    finally:
        space.kubectl("uncordon", second_node.name)


def test_a_node_that_restarts_comes_back_with_its_pods(space: Cluster, second_node: Machine) -> None:
    apply(space, *web("kept", 2))
    space.kubectl("-n", SPACE, "rollout", "status", "deployment/kept", "--timeout=120s", timeout=150)
    (there,) = (pod["metadata"]["name"] for pod in pods(space, "kept") if pod["spec"]["nodeName"] == second_node.name)
    before = int(second_node.run("date +%s").stdout)
    second_node.restart()

    def runs_again() -> bool:
        (pod,) = (pod for pod in pods(space, "kept") if pod["metadata"]["name"] == there)
        status = pod["status"]["containerStatuses"][0]
        started = (status["state"].get("running") or {}).get("startedAt", "1970-01-01T00:00:00Z")
        return bool(status["ready"]) and datetime.fromisoformat(started).timestamp() > before

    until(runs_again, f"{there} runs again on {second_node.name}")
    space.wait_until_ready()
    (pod,) = (pod for pod in pods(space, "kept") if pod["metadata"]["name"] == there)
    (other,) = (pod for pod in pods(space, "kept") if pod["metadata"]["name"] != there)
    told = inside(space, other["metadata"]["name"], f"wget -q -O - -T 10 http://{pod['status']['podIP']}:8000")
    assert told.split() == [second_node.name, there]


def test_after_down_nothing_of_a_cluster_is_left_and_another_one_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    made = Lab("hearth-cluster", tmp_path / "lab", say=print)
    settings = {path: Path(path).read_text() for path in ("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic")}
    try:
        begun = time.monotonic()
        second = made.kubernetes()
        print(f"a second cluster was ready after {time.monotonic() - begun:.0f} s")
        container = engine.inspect("container", second.nodes[0].container)
        assert container is not None
        identity = container["Id"]
        assert made.kubernetes().nodes == second.nodes
    finally:
        made.down()
    listed = {
        "containers": engine.docker("ps", "--all", "--format", "{{.Names}}").stdout,
        "networks": engine.docker("network", "ls", "--format", "{{.Name}}").stdout,
        "volumes": engine.docker("volume", "ls", "--format", "{{.Name}}").stdout,
        "mounts": Path("/proc/self/mountinfo").read_text(),
    }
    assert [kind for kind, text in listed.items() if made.prefix in text or identity in text] == []
    assert engine.run(["find", "/sys/fs/cgroup", "-name", f"*{shlex.quote(identity)}*"], check=False).stdout == ""
    assert not made.folder.exists()
    assert {path: Path(path).read_text() for path in settings} == settings
    assert set(cluster.node_states().values()) == {"Ready"}
