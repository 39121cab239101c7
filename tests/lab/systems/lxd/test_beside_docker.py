"""What instances send beside the real Docker, which closes forwarding: through with `up`, closed again by destroy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.lxd.machines import check_beside_docker
from checks.result import CheckResult, Status
from checks.run import connected
from checks.system import Context
from components.lxd.beside_docker import PROGRAM, UNIT
from config.hosts import Machines
from lab import Lab, Machine
from lab.systems.lxd import instance_image
from tests.lab.project import Project, shown, went_well
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import ClusterStack
from tests.lab.systems.lxd.plain_stack import plain_stack

STACK = """
import pulumi
from components.lxd import beside_docker
from config.loader import load

stack = load()
beside_docker.lay(pulumi.ComponentResource("hearth:lxd:Cluster", "lxd"), "lxd", stack.systems["lxd"])
"""
# Two of what instances are: a namespace with an end in the bridge of the settings, and one behind the machine.
NETWORK = """
set -e
modprobe br_netfilter 2>/dev/null || true
# Docker closes forwarding where it is the one that opens it: as on a machine that was no router before.
sysctl -q net.ipv4.ip_forward=0
systemctl restart docker
ip link add lxdbr0 type bridge && ip addr add 10.100.0.1/24 dev lxdbr0 && ip link set lxdbr0 up
ip link add other0 type bridge && ip addr add 10.101.0.1/24 dev other0 && ip link set other0 up
for each in "one lxdbr0 10.100.0" "two other0 10.101.0"; do
    set -- $each
    ip netns add $1 && ip link add v-$1 type veth peer name eth0 netns $1
    ip link set v-$1 master $2 up
    ip -n $1 addr add $3.5/24 dev eth0 && ip -n $1 link set eth0 up && ip -n $1 route add default via $3.1
done
"""
# Refused is an answer of the other end; what is dropped has none.
ASK = (
    "import errno, socket, sys; asked = socket.socket(); asked.settimeout(2);"
    " sys.exit(asked.connect_ex((sys.argv[1], 9)) != errno.ECONNREFUSED)"
)


@pytest.fixture
def box(lab: Lab) -> Machine:
    made = lab.machine("beside", image="machine-docker", fresh=True)
    made.run(NETWORK)
    return made


def through(box: Machine) -> bool:
    """Whether each of the two has an answer of the other."""
    asked = (("one", "10.101.0.5"), ("two", "10.100.0.5"))
    return all(box.run(f"ip netns exec {name} python3 -c '{ASK}' {address}", check=False).ok for name, address in asked)


def asked(project: Project, box: Machine) -> CheckResult:
    """Ask what `make check` asks about Docker."""
    namespace = {"hosts": {box.name: {"address": box.name}}, "ssh-config": str(box.ssh_config)}

    async def ask() -> list[CheckResult]:
        async with connected(Machines.from_namespace(namespace), project.workspace.folder) as inventory:
            return await Context(inventory).on(box.name, check_beside_docker)

    (row,) = asyncio.run(ask())
    return row


def test_what_docker_closes_is_let_through_after_each_start_of_it_and_closed_again_by_destroy(
    lab: Lab, box: Machine, tmp_path: Path
) -> None:
    rules = "iptables -S FORWARD | head -n 1; iptables -S DOCKER-USER"

    def closed() -> str:
        found = box.run(f"set -e; {rules}", check=False)
        return found.stdout if found.ok and "DROP" in found.stdout else ""

    before = until(closed, "Docker has closed forwarding, and has its chain", 120)
    assert not through(box)

    project = Project(tmp_path, box)
    hosts = {box.name: {"address": box.name}}
    project.settings(hosts=hosts, ssh_config=str(box.ssh_config))
    member = {"members": {box.name: {"address": box.address}}, "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24"}}}
    project.settings(lxd=json.dumps(member))
    project.program(STACK)
    workspace = project.workspace
    went_well(workspace.up(check=False))
    until(lambda: through(box), "through after up", 30)
    again = workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)

    assert asked(project, box).status is Status.PASS
    # A rule that somebody takes away is seen by the check, and comes back with Docker's next start.
    box.run("iptables -F DOCKER-USER")
    failed = asked(project, box)
    assert failed.status is Status.FAIL
    assert failed.reason.startswith(f"{PROGRAM} held ends with 1: a rule of DOCKER-USER is missing")
    assert not through(box)
    box.run("systemctl restart docker")
    until(lambda: through(box), "through again after Docker's start", 120)

    went_well(workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", workspace.stack, check=False))
    assert not through(box)
    # Emptied by hand above, the chain has Docker's own last rule back or not: what is ours is gone.
    assert before.split("\n")[0] == box.run(rules).stdout.split("\n")[0]
    assert "hearth" not in box.run("iptables-save").stdout
    assert not box.exists(PROGRAM)
    assert not box.exists(f"/etc/systemd/system/{UNIT}")
    assert not box.exists("/etc/systemd/system/docker.service.d")
    lab.remove(box.name)


# Docker as on a machine that was no router before it came.
DOCKER = """
set -e
sysctl -q net.ipv4.ip_forward=0
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends docker.io iptables
systemctl start docker
"""
POLICY = "iptables -S FORWARD | head -n 1"
QUESTION = "both: Docker closes no way of the instances"


@pytest.fixture
def both(lab: Lab, tmp_path: Path) -> Iterator[ClusterStack]:
    machine = lab.machine("both", image="machine-lxd", fresh=True)
    machine.run(DOCKER, timeout=600)
    until(lambda: "DROP" in machine.run(POLICY, check=False).stdout, "Docker has closed forwarding", 60)
    yield plain_stack(tmp_path, [machine], instance_image.put(lab, machine))
    lab.remove("both")


def reaches_out(stack: ClusterStack) -> bool:
    """Whether the instance has an answer of what is behind its machine's own network interface."""
    router = stack.first.run("ip -4 route show default | awk '{ print $3 }'").stdout.strip()
    return stack.first.run(f"LXD_CONF=/run/lxc lxc exec c1 -- ping -c 1 -W 2 {router}", check=False).ok


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_an_instance_of_lxd_reaches_out_beside_docker_also_after_a_restart_of_either(both: ClusterStack) -> None:
    machine = both.first
    both.up()
    until(lambda: not both.failed(), "every check passes", 120)
    assert QUESTION in {row.question for row in both.checks() if row.status is Status.PASS}
    assert "DROP" in machine.run(POLICY).stdout
    assert reaches_out(both)

    machine.run("iptables -F DOCKER-USER")
    assert not reaches_out(both)
    assert QUESTION in both.failed()
    machine.run("systemctl restart docker")
    until(lambda: reaches_out(both), "out again after Docker's start", 60)
    machine.run("systemctl restart lxd.service", timeout=180)
    until(lambda: not both.failed(), "every check passes after LXD's start", 120)
    assert reaches_out(both)

    machine.stop()
    machine.start()
    until(lambda: not both.failed(), "every check passes after the machine's start", 180)
    assert "docker" in machine.run("systemctl is-active docker && echo docker").stdout
    assert reaches_out(both)

    both.destroy()
    assert "hearth" not in machine.run("iptables-save").stdout
