"""Incus 6.0 in LXD's place, on the real engine: one member with an instance; each test begins where the last ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from checks.result import Status
from lab import Lab, Machine, Snapshot
from lab.systems.lxd import instance_image
from tests.lab.project import shown
from tests.lab.support import lasting_difference, until
from tests.lab.systems.lxd.cluster_stack import ClusterStack, until_taken
from tests.lab.systems.lxd.plain_stack import plain_stack

NAME = "inc1"
# What Incus makes beside files: links, tables of the packet filter, the kernel's settings, ranges of ids, processes.
BESIDE = """
ip -o link | sed 's/^[0-9]*: //; s/[:@].*//' | sort
nft list tables 2>/dev/null
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/eth0/accept_ra /etc/subuid /etc/subgid
ps -eo comm= | grep -E 'incus|lxc|dnsmasq' | sort
"""


@dataclass
class Story:
    stack: ClusterStack
    machine: Machine
    before: Snapshot
    beside: str

    def incus(self, *commands: str) -> str:
        """Give commands to Incus' own client."""
        return self.shell(*(f"incus {command}" for command in commands))

    def shell(self, *lines: str) -> str:
        """Run lines in which Incus' own client has a home of its own for what it leaves."""
        text = "\n".join(("set -e; mkdir -p /run/client; export HOME=/run/client", *lines))
        return self.machine.run(text, timeout=240).stdout.strip()


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    machine = lab.machine(NAME, image="machine-lxd", fresh=True)
    image = instance_image.put(lab, machine, seed=True)
    stack = plain_stack(tmp_path_factory.mktemp("incus"), [machine], image, "incus")
    yield Story(stack, machine, machine.snapshot(), machine.run(BESIDE, check=False).stdout)
    lab.remove(NAME)


@pytest.mark.timeout(900)
def test_up_makes_a_cluster_of_incus_of_a_bare_machine_and_every_check_passes(story: Story):
    story.stack.up()
    until(lambda: not story.stack.failed(), "every check passes", 240)
    rows = {row.question: row for row in story.stack.checks() if row.status is Status.PASS}
    assert rows["the cluster answers"].reason.startswith("Incus 6.")
    assert {f"the member {NAME} is online", f"c1 is a container on {NAME}", "c1 has 10.100.0.11 in lxdbr0"} <= set(rows)
    assert not story.machine.exists("/var/lib/lxd")
    # The instance has its address before cloud-init is through.
    asked = "exec c1 -- cloud-init query userdata || true"
    until(lambda: story.incus(asked).startswith("#cloud-config\nhostname: c1\n"), "cloud-init has its data")


def test_a_second_up_changes_nothing(story: Story):
    again = story.stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


DRIFTS = {
    "instance-c1": "incus config set c1 limits.processes 400",
    "profile-container": "incus profile set container limits.memory 1GiB",
    "network-lxdbr0": until_taken("incus network set lxdbr0 ipv4.nat false"),
}


@pytest.mark.timeout(600)
def test_a_drift_is_named_by_a_preview_and_repaired(story: Story):
    address = story.incus("config get c1 volatile.eth0.hwaddr")
    story.shell(*DRIFTS.values(), "incus stop -f c1")
    preview = story.stack.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    for name in DRIFTS:
        assert f"lxd-{name}" in preview.stdout, name
    story.stack.up("--refresh")
    until(lambda: not story.stack.failed(), "every check passes again", 240)
    assert story.incus("config get c1 limits.processes", "profile get container limits.memory") == "500\n512MiB"
    assert story.incus("config get c1 volatile.eth0.hwaddr") == address


@pytest.mark.timeout(600)
def test_destroy_gives_the_machine_back_as_it_was(story: Story):
    story.stack.destroy()
    assert lasting_difference(story.before, story.machine) == []
    until(lambda: story.machine.run(BESIDE, check=False).stdout == story.beside, f"beside files: {story.beside}")
