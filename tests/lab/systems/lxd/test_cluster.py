"""An LXD cluster from bare machines, on the real engine: one story, each test begins where the last ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.result import Status
from lab import Lab
from lab.systems.lxd import instance_image
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import ClusterStack

NAMES = ("bcn1", "bcn2")


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    machines = lab.machines(NAMES, image="machine-lxd", fresh=True)
    image = instance_image.put(lab, machines[0])
    yield ClusterStack(tmp_path_factory.mktemp("cluster"), machines, image)
    for name in NAMES:
        lab.remove(name)


@pytest.mark.timeout(900)
def test_up_makes_a_cluster_of_bare_machines_and_every_check_passes(stack: ClusterStack):
    printed = stack.up()
    assert "of two members one alone keeps the cluster's database" in printed
    until(lambda: not stack.failed(), "every check passes", 120)
    passed = {row.question for row in stack.checks() if row.status is Status.PASS}
    assert {"the member bcn1 is online", "the member bcn2 is online", "c1 reaches c2", "c2 reaches c1"} <= passed
    assert {
        "c1 is a container on bcn1",
        "c2 is a container on bcn2",
        "10.100.0.12 leads back to c2.cluster.example.org",
    } <= passed
    assert "*.cluster.example.org leads to 10.100.0.11" in passed


def test_no_join_token_is_left_anywhere(stack: ClusterStack):
    assert stack.lxc("cluster list-tokens --format csv") == ""
    state = str(stack.project.workspace.state())
    assert "cluster_token" not in state
    assert 'secret": "' not in state
    for machine in stack.machines.values():
        assert machine.run("grep -rl cluster_token /var/lib/hearth /var/log /root /tmp", check=False).stdout == ""


def test_an_instance_resolves_the_zone_by_its_own_name_server(stack: ClusterStack):
    told = stack.lxc("exec c2 -- dig +short @10.100.0.1 c1.cluster.example.org", timeout=60)
    assert told == "10.100.0.11"


def test_a_second_up_changes_nothing(stack: ClusterStack):
    again = stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


DRIFTS = {
    "instance-c1": "lxc stop -f c1",
    "instance-c2": "lxc config set c2 limits.processes 400",
    "profile-container": "lxc profile set container limits.memory 1GiB",
    "profile-default": "lxc profile device set default eth0 limits.max=20Mbit",
    "profile-vm-base": "lxc profile delete vm-base",
    "network-lxdbr0": "lxc network set lxdbr0 ipv4.nat false",
    "pool-default": "lxc storage show default | sed 's/^description:.*/description: somebody else/' | lxc"
    " storage edit default",
    "group-last": "lxc cluster group assign bcn2 default",
    "member-bcn2": "lxc cluster evacuate --force bcn2",
    "environment-bcn1": "chmod 0644 /etc/hearth/env",
    "dns-options": "echo '// edited' >> /etc/bind/named.conf.options",
    "dns-unit": "systemctl stop named",
}


@pytest.mark.timeout(900)
def test_twelve_kinds_of_drift_are_named_by_a_preview_and_repaired(stack: ClusterStack):
    addresses = stack.lxc("config get c2 volatile.eth0.hwaddr")
    stack.first.run("set -e; export HOME=/root\n" + "\n".join(DRIFTS.values()), timeout=240)
    preview = stack.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    for name in DRIFTS:
        assert f"lxd-{name}" in preview.stdout, name
    stack.up("--refresh")
    until(lambda: not stack.failed(), "every check passes again", 120)
    assert stack.project.workspace.drift().returncode == 0
    assert stack.lxc("config get c2 volatile.eth0.hwaddr") == addresses


def test_keys_of_others_are_no_drift_and_stay(stack: ClusterStack):
    stack.lxc("profile set container user.somebody=else")
    assert stack.project.workspace.drift().returncode == 0
    stack.settings["profiles"]["container"]["config"] = {"limits.cpu": "1"}
    stack.configure()
    stack.up()
    assert stack.lxc("profile get container user.somebody") == "else"
    assert stack.lxc("profile get container limits.cpu") == "1"
    assert stack.lxc("profile get container limits.memory") == ""


def test_what_would_make_an_instance_anew_is_refused_by_the_preview(stack: ClusterStack):
    stack.settings["images"]["other"] = {"file": "/srv/nowhere.tar"}
    stack.settings["instances"]["c1"]["image"] = "other"
    stack.configure()
    preview = stack.project.workspace.preview(check=False)
    assert preview.returncode != 0
    assert "would be made anew by a change of image from debian to other" in shown(preview)
    assert "Traceback" not in shown(preview)
    stack.settings["instances"]["c1"]["image"] = "debian"
    del stack.settings["images"]["other"]
    stack.configure()
