"""What takes long: `up` killed at ten moments, a third member, and a cluster that loses its quorum for good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.result import Status
from lab import Lab
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import Story, story_of

pytestmark = pytest.mark.soak
NAMES = ("bcn1", "bcn2", "bcn3")
MOMENTS = (
    ("lxd-bridge-br0-bcn1 creating", 0.5),
    ("lxd-daemon-bcn1 creating", 0.5),
    ("lxd-daemon-bcn2 creating", 4.0),
    ("lxd-member-bcn1 creating", 0.5),
    ("lxd-member-bcn2 creating", 0.7),
    ("lxd-pool-default creating", 0.1),
    ("lxd-network-lxdbr0 creating", 0.3),
    ("lxd-image-debian creating", 0.5),
    ("lxd-dns-package creating", 2.0),
    ("lxd-instance-c2 creating", 1.5),
)


@pytest.fixture
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with story_of(lab, tmp_path_factory.mktemp("cluster"), NAMES, later=("bcn3",)) as made:
        yield made


@pytest.mark.timeout(2400)
def test_up_killed_at_ten_moments_is_finished_by_the_next_and_destroyed_exactly(story: Story):
    stack = story.stack
    for mark, seconds in MOMENTS:
        stack.kill_up(mark, seconds)
    stack.finish()
    until(lambda: not stack.failed(), "every check passes", 120)
    again = stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)
    printed = stack.destroy()
    assert story.differences() == {}, printed


@pytest.mark.timeout(2400)
def test_a_third_member_joins_and_leaves_drained_and_its_machine_is_as_it_was(story: Story):
    stack = story.stack
    settings, lan = stack.settings, stack.lan
    stack.up()
    settings["members"]["bcn3"] = {"address": stack.machines["bcn3"].address}
    settings["bridges"]["br0"]["members"]["bcn3"] = {"nic": "eth1", "addresses": [f"{lan[13]}/{lan.prefixlen}"]}
    settings["instances"]["c3"] = stack.instance("bcn3", 3)
    stack.configure()
    begun = stack.lxc("info c2 | grep PID")
    stack.up()
    until(lambda: not stack.failed(), "every check passes with three members", 120)
    assert "c3 reaches c1" in {row.question for row in stack.checks() if row.status is Status.PASS}
    assert stack.lxc("info c2 | grep PID") == begun, "the others' instances went on"

    # The instance goes to another member, with its address; it keeps its hardware address and its disk.
    del settings["members"]["bcn3"], settings["bridges"]["br0"]["members"]["bcn3"]
    settings["instances"]["c3"]["member"] = "bcn1"
    stack.configure()
    stack.lxc("exec c3 -- touch /root/kept")
    address = stack.lxc("config get c3 volatile.eth0.hwaddr")
    stack.up()
    until(lambda: not stack.failed(), "every check passes with two members again", 120)
    assert stack.lxc("config get c3 volatile.eth0.hwaddr") == address
    stack.lxc("exec c3 -- test -e /root/kept")
    assert "bcn3" not in stack.lxc("cluster list --format csv")
    assert story.differences("bcn3") == {}


@pytest.mark.timeout(1800)
def test_a_cluster_that_lost_its_quorum_is_recovered_as_the_page_says(story: Story):
    stack = story.stack
    stack.up()
    until(lambda: not stack.failed(), "every check passes", 120)
    lost, left = stack.machines["bcn1"], stack.machines["bcn2"]
    lost.power_cut()
    # Its instance goes on, and nothing can be asked.
    left.run("pgrep -f '[l]xc monitor.*c2'")
    assert left.run("LXD_CONF=/run/lxc timeout 20 lxc cluster list", check=False).returncode != 0
    left.run(
        "systemctl stop lxd.service && systemctl stop lxd.socket; echo yes | lxd cluster recover-from-quorum-loss &&"
        " systemctl start lxd.socket lxd.service",
        timeout=180,
    )
    left.run("pgrep -f '[l]xc monitor.* c2'")
    until(
        lambda: "bcn2" in left.run("LXD_CONF=/run/lxc lxc cluster list --format csv", check=False).stdout,
        "it answers",
        90,
    )
    left.run("LXD_CONF=/run/lxc lxc cluster remove --force --yes bcn1", timeout=120)
    # The settings say what there is now: the member that is left begins the cluster, the lost machine is given up.
    stack.lose("bcn1")
    stack.up()
    until(lambda: not stack.failed(), "every check passes on the member that is left", 120)
    assert "c2 is running" in {row.question for row in stack.checks() if row.status is Status.PASS}
