"""An LXD cluster from bare machines and back, on the real engine: one story, each test begins where the last ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from lab import Lab
from providers.kinds.lxd import joining
from tests.lab import killing
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.breaks import BREAKS, PLACES
from tests.lab.systems.lxd.cluster_stack import ClusterStack, Story, story_of, until_taken


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with story_of(lab, tmp_path_factory.mktemp("cluster"), ("bcn1", "bcn2")) as made:
        made.stack.settings["instances"]["c1"]["users"] = {"ann": {"keys": [ANNS_KEY]}}
        made.stack.configure()
        yield made


ANNS_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} ann@example.org"
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
    stack = story.stack
    assert stack.lxc("cluster list-tokens --format csv") == ""
    token = joining.token_of({"serverName": "bcn2"})[:20]  # each begins so, whatever else is in it
    for text in (killing.log(stack.project).read_text(), json.dumps(stack.project.workspace.state())):
        assert "bcn2" in text
        assert token not in text
        assert "cluster_token" not in text
    look = "{ journalctl --no-pager -o cat; grep -rhs . /var/lib/hearth /var/log /root /tmp; }"
    for machine in stack.machines.values():
        assert machine.run(f"{look} | grep -a -c -e {token} -e cluster_token", check=False).stdout.strip() == "0"


def test_an_instance_resolves_the_zone_by_its_own_name_server(story: Story):
    asked = "exec c2 -- dig +short @10.100.0.1 c1.cluster.example.org"
    wanted = story.stack.addresses("c1")
    until(lambda: sorted(story.stack.lxc(asked, timeout=60, check=False).split()) == wanted, f"the answer {wanted}")


def test_an_instance_has_its_whole_name_and_lets_its_user_in(story: Story):
    stack = story.stack
    kept = "exec c1 -- cat /home/ann/.ssh/authorized_keys"
    until(lambda: ANNS_KEY in stack.lxc(kept, check=False), "the user has her key")
    assert stack.lxc("exec c1 -- hostname --fqdn") == "c1.cluster.example.org"
    assert stack.lxc("exec c1 -- runuser -u ann -- sudo --non-interactive id -u") == "0"


def test_a_second_up_changes_nothing(story: Story):
    again = story.stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


@pytest.mark.timeout(900)
def test_every_check_fails_when_what_it_looks_at_is_broken_and_passes_when_that_is_mended(story: Story):
    stack = story.stack
    addresses = {each: ", ".join(stack.addresses(each)) for each in stack.settings["instances"]}
    bridges = {name: port["addresses"][0] for name, port in stack.settings["bridges"]["br0"]["members"].items()}
    bridges["bcn2_alone"] = bridges["bcn2"].partition("/")[0]

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
    "network-lxdbr0": until_taken("lxc network set lxdbr0 ipv4.nat false"),
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
SHOWN = (
    "running *: true => false",
    'limits.processes *: "500" => "400"',
    'limits.memory *: "512MiB" => "1GiB"',
    'limits.max *: "20Mbit"',
    'ipv4.nat *: "true" => "false"',
    'description *: "somebody else"',
    'state *: "Online" => "Evacuated"',
    'mode *: "0600" => "0644"',
)
SEEN_BY_CHECKS = {
    "c1 is running",
    "the member bcn2 is online",
    "the zone has a name server",
    "bcn1 reaches bcn2 as bcn2 over SSH",  # without its entry of SSH's configuration
}


@pytest.mark.timeout(900)
def test_fifteen_kinds_of_drift_are_named_by_a_preview_seen_by_checks_and_repaired(story: Story):
    addresses = story.stack.lxc("config get c2 volatile.eth0.hwaddr")
    story.stack.first.run("set -e; export LXD_CONF=/run/lxc\n" + "\n".join(DRIFTS.values()), timeout=240)
    preview = story.stack.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    for name in DRIFTS:
        assert f"lxd-{name}" in preview.stdout, name
    for change in SHOWN:
        assert re.search(rf"[~+] {change}", preview.stdout), f"{change} in {preview.stdout}"
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
