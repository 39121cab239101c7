"""An LXD cluster from bare machines and back, on the real engine: one story, each test begins where the last ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import Lab
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import ClusterStack, Story, story_of


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with story_of(lab, tmp_path_factory.mktemp("cluster"), ("bcn1", "bcn2")) as made:
        yield made


MOMENTS = (
    # While apt installs, while a member joins, while an instance is made.
    ("lxd-daemon-bcn2 creating", 4.0),
    ("lxd-member-bcn2 creating", 0.7),
    ("lxd-instance-c2 creating", 1.5),
)


@pytest.mark.timeout(1800)
def test_up_killed_at_three_moments_is_finished_by_the_next_and_every_check_passes(story: Story):
    for mark, seconds in MOMENTS:
        story.stack.kill_up(mark, seconds)
    printed = story.stack.finish()
    assert "of two members one alone keeps the cluster's database" in printed
    passed = story.stack.passed()
    assert {"the member bcn1 is online", "the member bcn2 is online", "c1 reaches c2", "c2 reaches c1"} <= passed
    assert {
        "c1 is a container on bcn1",
        "c2 is a container on bcn2",
        "10.100.0.12 leads back to c2.cluster.example.org",
        "bcn1: eth1 is in br0",
        "bcn1 reaches bcn2 as bcn2 over SSH",
        "bcn2 reaches bcn1 as bcn1 over SSH",
    } <= passed
    second = story.stack.lxc("exec c1 -- ip -4 -o addr show dev eth1")
    assert story.stack.address("c1", "br0") in second
    story.stack.lxc(f"exec c1 -- ping -c 1 -w 20 {story.stack.address('c2', 'br0')}")
    assert f"*.cluster.example.org leads to {', '.join(story.stack.addresses('c1'))}" in passed


def test_no_join_token_is_left_anywhere(story: Story):
    assert story.stack.lxc("cluster list-tokens --format csv") == ""
    state = str(story.stack.project.workspace.state())
    assert "cluster_token" not in state
    assert 'secret": "' not in state
    for machine in story.stack.machines.values():
        assert machine.run("grep -rl cluster_token /var/lib/hearth /var/log /root /tmp", check=False).stdout == ""


def test_an_instance_resolves_the_zone_by_its_own_name_server(story: Story):
    asked = "exec c2 -- dig +short @10.100.0.1 c1.cluster.example.org"
    wanted = story.stack.addresses("c1")
    until(lambda: sorted(story.stack.lxc(asked, timeout=60, check=False).split()) == wanted, f"the answer {wanted}")


def test_a_second_up_changes_nothing(story: Story):
    again = story.stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


@dataclass(frozen=True)
class Break:
    """What a check looks at, broken on one machine and mended again."""

    machine: str
    spoil: str
    mend: str


KEY, KNOWN = "/home/admin/.ssh/id_ed25519_hearth", "/home/admin/.ssh/known_hosts"
BREAKS = {
    "bcn1 has its key, for its user alone": Break("bcn1", f"chmod 0644 {KEY}", f"chmod 0600 {KEY}"),
    "bcn2 reaches bcn1 as bcn1 over SSH": Break("bcn2", f"mv {KNOWN} {KNOWN}.away", f"mv {KNOWN}.away {KNOWN}"),
    "bcn1: only root may read it": Break("bcn1", "chmod 0644 /etc/hearth/env", "chmod 0600 /etc/hearth/env"),
    "bcn1: every required variable is there": Break(
        "bcn1", "sed -i s/^DOMAIN/XDOMAIN/ /etc/hearth/env", "sed -i s/^XDOMAIN/DOMAIN/ /etc/hearth/env"
    ),
    "bcn1: /root/.env leads to the environment file": Break(
        "bcn1", "ln -sfn /dev/null /root/.env", "ln -sfn /etc/hearth/env /root/.env"
    ),
    "bcn2 has its environment file": Break("bcn2", "mv /etc/hearth/env /root/away", "mv /root/away /etc/hearth/env"),
    # networkd puts it back in by itself, while it runs.
    "bcn1: eth1 is in br0": Break(
        "bcn1",
        "systemctl stop systemd-networkd.socket systemd-networkd.service; ip link set eth1 nomaster",
        "ip link set eth1 master br0; systemctl start systemd-networkd.socket systemd-networkd.service",
    ),
    "bcn2: br0 carries traffic": Break("bcn2", "ip link set br0 down", "ip link set br0 up"),
    "bcn2: br0 has the hardware address of eth1": Break(
        "bcn2",
        "ip link set br0 address 02:00:00:00:77:01",
        "ip link set br0 address $(cat /sys/class/net/eth1/address)",
    ),
    "bcn1: br0 has {bcn1}": Break("bcn1", "ip addr del {bcn1} dev br0", "ip addr replace {bcn1} dev br0"),
    "the pool default is whole on every member": Break(
        "bcn1",
        "lxd sql global 'UPDATE storage_pools_nodes SET state=0 WHERE node_id=2'",
        "lxd sql global 'UPDATE storage_pools_nodes SET state=1'",
    ),
    "the network lxdbr0 is whole on every member": Break(
        "bcn1",
        "lxd sql global 'UPDATE networks_nodes SET state=0 WHERE node_id=2'",
        "lxd sql global 'UPDATE networks_nodes SET state=1'",
    ),
    "the profile vm-base is there": Break("bcn1", "lxc profile rename vm-base x", "lxc profile rename x vm-base"),
    "the profile vm-resources is as configured": Break(
        "bcn1", "lxc profile set vm-resources limits.cpu 3", "lxc profile set vm-resources limits.cpu 4"
    ),
    "c2 has limits.memory 384MiB": Break(
        "bcn1", "lxc config set c2 limits.memory 300MiB", "lxc config set c2 limits.memory 384MiB"
    ),
    "c2 has 10.100.0.12 in lxdbr0": Break(
        "bcn1",
        "lxc exec c2 -- ip addr del 10.100.0.12/24 dev eth0",
        "lxc exec c2 -- ip addr add 10.100.0.12/24 dev eth0",
    ),
    "c1 reaches c2": Break("bcn1", ":", ":"),  # by the bridge without its interface
    "the cluster has no other member": Break("bcn1", "lxc cluster rename bcn2 other", "lxc cluster rename other bcn2"),
    "the member bcn2 is online": Break("bcn1", ":", ":"),  # there is none of that name then
    "c2 is a container on bcn2": Break("bcn1", ":", ":"),  # it is on that other member
    "*.{domain} leads to {c1}": Break("bcn1", "sed -i 's/^[*] /any /' {zone}", "sed -i 's/^any /* /' {zone}"),
    "c2.{domain} leads to {c2}": Break("bcn1", "sed -i 's/^c2 /c9 /' {zone}", "sed -i 's/^c9 /c2 /' {zone}"),
    "the zone has a name server": Break(
        "bcn1", "sed -i 's/NS ns1$/NS bcn1/' {zone}", "sed -i 's/NS bcn1$/NS ns1/' {zone}"
    ),
    "10.100.0.11 leads back to c1.{domain}": Break(
        "bcn1", "sed -i 's/^11 /13 /' {reverse}; rndc reload", "sed -i 's/^13 /11 /' {reverse}; rndc reload"
    ),
}
PLACES = {
    "domain": "cluster.example.org",
    "zone": "/var/lib/bind/hearth/cluster.example.org.zone",
    "reverse": "/var/lib/bind/hearth/0.100.10.in-addr.arpa.zone",
}


@pytest.mark.timeout(900)
def test_every_check_fails_when_what_it_looks_at_is_broken_and_passes_when_that_is_mended(story: Story):
    stack = story.stack
    addresses = {each: ", ".join(stack.addresses(each)) for each in stack.settings["instances"]}
    bridges = {name: port["addresses"][0] for name, port in stack.settings["bridges"]["br0"]["members"].items()}

    def run(which: str) -> None:
        for machine in ("bcn1", "bcn2"):
            lines = [getattr(each, which) for each in BREAKS.values() if each.machine == machine]
            text = "\n".join(lines).format(**PLACES, **bridges)
            stack.machines[machine].run(f"set -e; export LXD_CONF=/run/lxc\n{text}", timeout=240)

    run("spoil")
    expected = {question.format(**PLACES, **addresses, **bridges) for question in BREAKS}
    # The name server takes a zone over in its own time.
    until(lambda: expected <= stack.failed().keys(), f"each of these fails: {sorted(expected)}", 60)
    run("mend")
    stack.passed()
    assert stack.project.workspace.drift().returncode == 0


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
    "environment-link-bcn1": "rm /root/.env",
    "dns-options": "echo '// edited' >> /etc/bind/named.conf.options",
    "dns-unit": "systemctl stop named",
    "ssh-config-bcn1": "rm /home/admin/.ssh/config",
    "bridge-br0-bcn1": "ip -4 addr flush dev br0",
}
SEEN_BY_CHECKS = {"c1 is running", "the member bcn2 is online", "the zone has a name server"}


@pytest.mark.timeout(900)
def test_fifteen_kinds_of_drift_are_named_by_a_preview_seen_by_checks_and_repaired(story: Story):
    addresses = story.stack.lxc("config get c2 volatile.eth0.hwaddr")
    story.stack.first.run("set -e; export LXD_CONF=/run/lxc\n" + "\n".join(DRIFTS.values()), timeout=240)
    preview = story.stack.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    for name in DRIFTS:
        assert f"lxd-{name}" in preview.stdout, name
    assert story.stack.failed().keys() >= SEEN_BY_CHECKS
    story.stack.up("--refresh")
    story.stack.passed()
    assert story.stack.project.workspace.drift().returncode == 0
    assert story.stack.lxc("config get c2 volatile.eth0.hwaddr") == addresses


def test_keys_of_others_are_no_drift_and_stay(story: Story):
    story.stack.lxc("profile set container user.somebody=else")
    assert story.stack.project.workspace.drift().returncode == 0
    story.stack.settings["profiles"]["container"]["config"] = {"limits.cpu": "1"}
    story.stack.configure()
    story.stack.up()
    assert story.stack.lxc("profile get container user.somebody") == "else"
    assert story.stack.lxc("profile get container limits.cpu") == "1"
    assert story.stack.lxc("profile get container limits.memory") == ""


def test_what_would_make_an_instance_anew_is_refused_by_the_preview(story: Story):
    story.stack.settings["images"]["other"] = {"file": "/srv/nowhere.tar"}
    story.stack.settings["instances"]["c1"]["image"] = "other"
    story.stack.configure()
    preview = story.stack.project.workspace.preview(check=False)
    assert preview.returncode != 0
    assert "would be made anew by a change of image from debian to other" in shown(preview)
    assert "Traceback" not in shown(preview)
    story.stack.settings["instances"]["c1"]["image"] = "debian"
    del story.stack.settings["images"]["other"]
    story.stack.configure()


@pytest.mark.timeout(900)
def test_a_member_whose_machine_stops_is_offline_and_the_others_go_on_and_it_comes_back_by_itself(story: Story):
    stack = story.stack
    begun = stack.lxc("info c1 | grep PID")
    away = stack.machines["bcn2"]
    away.stop()
    others = {"the member bcn1 is online", "c1 is running", "the cluster answers"}
    failed = until(lambda: _offline(stack, others), "its absence is seen, and the others are well", 180)
    assert "the machine bcn2 can be reached" in failed
    assert stack.lxc("info c1 | grep PID") == begun, "the other member's instance went on"
    away.start()
    until(lambda: not stack.failed(), "it comes back by itself, with its bridge and its instance", 300)
    assert stack.lxc("info c1 | grep PID") == begun


def _offline(stack: ClusterStack, others: set[str]) -> dict[str, str]:
    failed = stack.failed()
    return failed if "OFFLINE" in failed.get("the member bcn2 is online", "") and not others & failed.keys() else {}


@pytest.mark.timeout(900)
def test_a_daemon_that_stops_leaves_its_instances_running_and_a_check_says_that_the_cluster_does_not_answer(
    story: Story,
):
    stack, first = story.stack, story.stack.first
    begun = stack.lxc("info c1 | grep PID")
    # Its socket alone would start it again when it is asked; to stop the socket's unit would end the instances, too.
    first.run("systemctl mask --runtime --now lxd.service", timeout=240)
    assert {"the cluster answers", "instances can be listed"} <= stack.failed().keys()
    first.run("pgrep -f '[l]xc monitor.* c1'")
    first.run("systemctl unmask --runtime lxd.service && systemctl start lxd.service", timeout=240)
    stack.passed()
    assert stack.lxc("info c1 | grep PID") == begun


@pytest.mark.timeout(900)
def test_destroy_gives_the_machines_back_as_they_were(story: Story):
    printed = story.stack.destroy()
    assert story.differences() == {}, printed
