"""Two nodes of the lab's cluster: pods across them, policies, a drain, a restart; and nothing left of a cluster."""

from __future__ import annotations

import shlex
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import Lab
from lab.docker import cli
from lab.kubernetes.cluster import Cluster
from tests.lab.lab.cluster_pods import Space, get, space_on
from tests.lab.support import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Machine


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[Space]:
    """Yield a namespace with web servers in it."""
    with space_on(cluster, "lab-two-nodes") as made:
        yield made


def test_a_network_policy_decides_who_reaches_a_pod_and_whom_it_reaches(space: Space, second_node: Machine) -> None:
    for name in ("guarded", "friend", "stranger"):
        space.serve(name)
    assert space.nodes("guarded") == {space.cluster.nodes[0].name, second_node.name}

    def reaches(asking: str, asked: str) -> set[bool]:
        """Ask from each pod of one to each of another, on the same node and across."""
        targets = [pod["status"]["podIP"] for pod in space.pods(asked)]
        ask = "; ".join(
            f"wget -q -O /dev/null -T 2 http://{address}:8000 && echo yes || echo no" for address in targets
        )
        said = [space.inside(pod["metadata"]["name"], ask).split() for pod in space.pods(asking)]
        return {word == "yes" for words in said for word in words}

    until(lambda: reaches("stranger", "guarded") == {True}, "nobody is kept out")
    policy = {
        "podSelector": {"matchLabels": {"app": "guarded"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
        "egress": [],
    }
    space.apply("NetworkPolicy", "guarded", policy)
    until(lambda: reaches("stranger", "guarded") == {False}, "a stranger is kept out")
    until(lambda: reaches("friend", "guarded") == {True}, "a friend is let in")
    until(lambda: reaches("guarded", "friend") == {False}, "it reaches nobody itself")
    space.kubectl("delete", "networkpolicy", "guarded")
    until(lambda: reaches("stranger", "guarded") == {True}, "without the policy everybody is let in")


def test_pods_of_two_nodes_reach_each_other_by_address_and_by_name(space: Space, second_node: Machine) -> None:
    until(lambda: space.cluster.node_states() == {"kube1": "Ready", "kube2": "Ready"}, "both nodes are ready")
    space.serve("wide")
    found = space.pods("wide")
    assert {pod["spec"]["nodeName"] for pod in found} == {"kube1", "kube2"}
    ranges = {pod["spec"]["nodeName"]: pod["status"]["podIP"].rpartition(".")[0] for pod in found}
    assert ranges == {"kube1": "10.244.1", "kube2": "10.244.2"}
    for one, other in (found, reversed(found)):
        name, address = one["metadata"]["name"], other["status"]["podIP"]
        told = space.inside(name, f"wget -q -O - -T 10 http://{address}:8000")
        assert told.split() == [other["spec"]["nodeName"], other["metadata"]["name"]]
        # Which of the two answers is chance, and a node learns of a pod that got ready a moment later.
        seen = set[str]()

        def both_seen(name: str = name, seen: set[str] = seen) -> bool:
            seen.update(space.inside(name, "for n in 1 2 3 4 5 6; do wget -q -O - -T 10 http://wide; done").split())
            return {"kube1", "kube2"} <= seen

        until(both_seen, f"answers of both nodes for {name}", 180)


def test_a_drained_nodes_pods_come_up_on_the_other_one(space: Space, second_node: Machine) -> None:
    space.serve("moved")
    assert space.nodes("moved") == {"kube1", "kube2"}
    try:
        words = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s"]
        space.kubectl("drain", second_node.name, *words)
        space.settle("moved")
        assert space.nodes("moved") == {"kube1"}
        until(lambda: get(space.cluster.ingress_address, "web.example")[0] == 200, "the pages answer from the other")
    finally:
        space.kubectl("uncordon", second_node.name)


def test_a_node_that_restarts_comes_back_with_its_pods(space: Space, second_node: Machine) -> None:
    space.serve("kept")
    (there,) = (pod["metadata"]["name"] for pod in space.pods("kept") if pod["spec"]["nodeName"] == second_node.name)
    before = int(second_node.run("date +%s").stdout)
    second_node.restart()

    def runs_again() -> bool:
        (pod,) = (pod for pod in space.pods("kept") if pod["metadata"]["name"] == there)
        status = pod["status"]["containerStatuses"][0]
        started = (status["state"].get("running") or {}).get("startedAt", "1970-01-01T00:00:00Z")
        return bool(status["ready"]) and datetime.fromisoformat(started).timestamp() > before

    until(runs_again, f"{there} runs again on {second_node.name}", 300)
    space.cluster.wait_until_ready()
    (pod,) = (pod for pod in space.pods("kept") if pod["metadata"]["name"] == there)
    (other,) = (pod for pod in space.pods("kept") if pod["metadata"]["name"] != there)
    ask = f"wget -q -O - -T 10 http://{pod['status']['podIP']}:8000 || true"
    until(lambda: space.inside(other["metadata"]["name"], ask).split() == [second_node.name, there], "it answers")


def test_after_down_nothing_of_a_cluster_is_left_and_another_one_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    made = Lab("hearth-cluster", tmp_path / "lab", say=print)
    settings = {path: Path(path).read_text() for path in ("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic")}
    try:
        begun = time.monotonic()
        second = made.kubernetes()
        print(f"a second cluster was ready after {time.monotonic() - begun:.0f} s")
        container = cli.inspect("container", second.nodes[0].container)
        assert container is not None
        identity = container["Id"]
        assert made.kubernetes().nodes == second.nodes
    finally:
        made.down()
    listed = {
        "containers": cli.docker("ps", "--all", "--format", "{{.Names}}").stdout,
        "networks": cli.docker("network", "ls", "--format", "{{.Name}}").stdout,
        "volumes": cli.docker("volume", "ls", "--format", "{{.Name}}").stdout,
        "mounts": Path("/proc/self/mountinfo").read_text(),
    }
    assert [kind for kind, text in listed.items() if made.prefix in text or identity in text] == []
    assert cli.run(["find", "/sys/fs/cgroup", "-name", f"*{shlex.quote(identity)}*"], check=False).stdout == ""
    assert not made.folder.exists()
    assert {path: Path(path).read_text() for path in settings} == settings
    until(lambda: set(cluster.node_states().values()) == {"Ready"}, "each node of the first is ready")
