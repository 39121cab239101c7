"""Bridges over a machine's interfaces, on the real engine: one machine for each of the three that configure networks.

The uplink is changed rightly and wrongly. Nothing but the machine itself takes a wrong change back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest

from lab import Lab, Machine
from lab.snapshot import Snapshot
from lab.systems.lxd.second_network import second_network
from tests.lab.project import Project, shown
from tests.lab.support import lasting_difference, until

PREFIX = "fd6c:6162::"
"""What net1 advertises in the second network."""
RENDERERS = {"net1": "networkd", "net2": "netplan", "net3": "ifupdown"}
PROGRAM = """
import json
from pathlib import Path
from providers.resources.lxd import Bridge
made = {}
for name, inputs in json.loads(Path("bridges.json").read_text()).items():
    # One after another on each machine, as the component has them.
    before = made.setdefault(inputs["host"], [])
    before.append(Bridge(name, **inputs, opts=ResourceOptions(depends_on=list(before))))
"""
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
NETWORKD = "[Match]\nName={nic}\n\n[Network]\n{lines}\n"
NETPLAN = """\
network:
  version: 2
  ethernets:
    eth0:
      addresses: [{address}]
      routes: [{{to: default, via: {gateway}}}]
"""
IFUPDOWN = """\
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address {address}
    gateway {gateway}

allow-hotplug eth1
iface eth1 inet dhcp
"""
LOOK = """
ip -o addr show scope global | awk '{ print $2, $4 }' | grep -v fd6c:6162 | sort
ip -4 route | sed 's/ linkdown//; s/ metric [0-9]*//; s/ proto [a-z]*//; s/ src [0-9.]*//; s/ *$//' | sort
grep -H . /proc/sys/net/ipv6/conf/eth0/accept_ra /proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip -o link show type bridge
"""


@dataclass
class Story:
    """The stack, its machines, and what they were."""

    project: Project
    machines: dict[str, Machine]
    before: dict[str, Snapshot]
    links: dict[str, str]
    bridges: dict[str, dict[str, object]]
    lan: IPv4Network
    advertised: dict[str, str]
    """What `takes_advertisements` was before."""

    def lay(self) -> None:
        """Hand the bridges over as they are wished for now."""
        (self.project.workspace.folder / "bridges.json").write_text(json.dumps(self.bridges))

    def looks_as_before(self, name: str) -> None:
        """Wait until a machine's links, addresses and routes are what they were: a lease is asked for again."""
        until(lambda: self.machines[name].run(LOOK).stdout == self.links[name], f"{name} has its links again", 120)

    def leases(self) -> dict[str, str]:
        """Machine -> the address that DHCP gave its second interface, or the bridge over it."""
        return {name: address_by_dhcp(self.machines[name]) for name in ("net2", "net3")}

    def takes_advertisements(self) -> dict[str, str]:
        """Machine -> the link whose address is of the advertised prefix.

        And that address, which is of the hardware address; but dhcpcd's is of the link's name.
        """
        return {name: by_advertisement(self.machines[name]) for name in ("net2", "net3")}


def address_by_dhcp(machine: Machine) -> str:
    """Return the address that a machine was given in the second network, on whatever link."""
    lines = machine.run("ip -4 -o addr show dynamic scope global | awk '{ print $2, $4 }'").stdout.split()
    return lines[1] if len(lines) > 1 else ""


def by_advertisement(machine: Machine) -> str:
    """Return the link of a machine that has an address of the advertised prefix; of net2 the address, too."""
    what = "$2" if RENDERERS[machine.name] == "ifupdown" else "$2, $4"
    return machine.run(f"ip -6 -o addr show | awk '$4 ~ /^{PREFIX}/ {{ print {what} }}' | sort -u").stdout.strip()


def prepare(machine: Machine, lan: IPv4Network) -> dict[str, str]:
    """Let the machine configure its network by its own means, with the addresses that it has."""
    address, gateway = machine.run(
        "ip -4 -o addr show dev eth0 | awk '{ print $4 }'; ip -4 route show default | awk '{ print $3 }'"
    ).stdout.split()
    own = {"address": address, "gateway": gateway}
    # Docker switches it off where a network has none of its own.
    machine.run("for link in default eth1; do echo 0 > /proc/sys/net/ipv6/conf/$link/disable_ipv6; done")
    uplink = NETWORKD.format(nic="eth0", lines=f"Address={address}\nGateway={gateway}")
    if machine.name == "net1":
        machine.write("/etc/systemd/network/50-uplink.network", uplink)
        lan_lines = f"Address={lan[2]}/24\nAddress={PREFIX}1/64"
        machine.write("/etc/systemd/network/50-lan.network", NETWORKD.format(nic="eth1", lines=lan_lines))
        machine.run("systemctl enable --now systemd-networkd")
        machine.run(f"{INSTALL} dnsmasq-base", timeout=300)
        server = (
            f"dnsmasq --interface=eth1 --except-interface=lo --bind-interfaces --port=0 --leasefile-ro"
            f" --dhcp-range={lan[100]},{lan[150]},1h --enable-ra --dhcp-range={PREFIX},ra-only --pid-file=/run/lan.pid"
        )
        machine.run(f"ip addr replace {lan[2]}/24 dev eth1; systemd-run --unit=lan {server} --keep-in-foreground")
    elif machine.name == "net2":
        machine.run(f"{INSTALL} netplan.io", timeout=300)
        machine.write("/etc/netplan/50-cloud-init.yaml", NETPLAN.format(**own), mode="0600")
        lan_file = "network: {version: 2, ethernets: {eth1: {dhcp4: true}}}\n"
        machine.write("/etc/netplan/60-lan.yaml", lan_file, mode="0600")
        machine.run("mkdir -p /etc/cloud/cloud.cfg.d; netplan generate; systemctl enable --now systemd-networkd")
    else:
        machine.run(f"{INSTALL} ifupdown dhcpcd-base", timeout=300)
        machine.write("/etc/network/interfaces", IFUPDOWN.format(**own))
        machine.run("ip addr flush dev eth0; ifup eth0; ifup eth1", timeout=180)
    return own


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    machines = lab.machines(RENDERERS, image="machine-lxd", fresh=True)
    with second_network(lab, machines) as lan:
        own = {machine.name: prepare(machine, lan) for machine in machines}
        project = Project(tmp_path_factory.mktemp("bridges"), machines[0])
        hosts = {machine.name: {"address": machine.name} for machine in machines}
        project.settings(hosts=hosts, ssh_config=str(machines[0].ssh_config))
        project.program(PROGRAM)
        bridges: dict[str, dict[str, object]] = {
            name: {
                "host": name,
                "name": "br0",
                "nic": "eth0",
                "addresses": [own[name]["address"]],
                "gateway": own[name]["gateway"],
                "route_check": own[name]["gateway"],
            }
            for name in RENDERERS
        }
        by_name = {machine.name: machine for machine in machines}
        until(lambda: all(address_by_dhcp(by_name[name]) for name in ("net2", "net3")), "both have a lease", 180)
        until(
            lambda: all(by_advertisement(by_name[name]) for name in ("net2", "net3")), "both have heard the router", 180
        )
        story = Story(
            project,
            by_name,
            {name: machine.snapshot() for name, machine in by_name.items()},
            {name: machine.run(LOOK).stdout for name, machine in by_name.items()},
            bridges,
            lan,
            {},
        )
        story.advertised = story.takes_advertisements()
        yield story
        for name in RENDERERS:
            lab.remove(name)


@pytest.mark.timeout(900)
def test_a_wrong_change_of_the_uplink_is_taken_back_by_the_machine_within_a_minute(story: Story):
    right = {name: dict(each) for name, each in story.bridges.items()}
    for each in story.bridges.values():
        each["addresses"] = ["203.0.113.5/24"]
        each["gateway"] = each["route_check"] = "203.0.113.1"
    story.lay()
    begun = time.monotonic()
    printed = story.project.failed_up()
    assert time.monotonic() - begun < 240, "a minute each, side by side, and a loaded computer"
    assert printed.count("was taken back by the machine itself") >= 3, printed
    for name, machine in story.machines.items():
        assert machine.ssh("true").ok
        story.looks_as_before(name)
        # Where the connection was given up meanwhile, the record of the creation waits for the next `up`.
        left = ("/var/lib/hearth", "/var/lib/hearth/records*", "/var/lib/hearth/network-files.json")
        records: dict[str, str] = dict.fromkeys(left, "what was there before")
        assert lasting_difference(story.before[name], machine, records) == [], name
    story.bridges.update(right)


@pytest.mark.timeout(600)
def test_the_uplink_goes_into_a_bridge_under_our_own_connection(story: Story):
    story.lay()
    story.project.up()
    for name, machine in story.machines.items():
        assert machine.ssh("ip -o link show master br0").stdout.split(":")[1].strip().startswith("eth0"), name
        mac = machine.run("cat /sys/class/net/eth0/address /sys/class/net/br0/address").stdout.split()
        assert mac[0] == mac[1]
        assert "eth0" not in machine.run("ip -o -4 addr show scope global | awk '{ print $2 }'").stdout.split()
        if RENDERERS[name] != "ifupdown":
            assert machine.run("cat /proc/sys/net/ipv6/conf/br0/disable_ipv6").stdout.strip() == "0"
    assert story.machines["net2"].read("/etc/cloud/cloud.cfg.d/99-hearth-network.cfg").endswith("config: disabled}\n")
    assert story.project.workspace.drift().returncode == 0


@pytest.mark.timeout(600)
def test_the_bridge_is_there_after_a_restart_of_the_machine(story: Story):
    machine = story.machines["net1"]
    machine.run("networkctl reload; ip link delete br0; networkctl reload; systemctl restart systemd-networkd")
    address = str(story.bridges["net1"]["addresses"][0])  # pyright: ignore
    wanted = [f"inet {address} ", "default via "]
    looked = "ip -o addr show dev br0; ip -4 route show dev br0"
    until(lambda: all(each in machine.run(looked, check=False).stdout for each in wanted), f"br0 has {address}", 120)
    assert story.project.workspace.drift().returncode == 0


@pytest.mark.timeout(600)
def test_the_bridge_has_the_interfaces_lease_and_takes_the_routers_advertisements(story: Story):
    leases = story.leases()
    for name in leases:
        story.bridges[f"{name}-lan"] = {"host": name, "name": "lan0", "nic": "eth1", "dhcp": True}
    story.lay()
    story.project.up()
    until(lambda: story.leases() == leases, f"the leases are {leases}")
    for name in leases:
        assert story.machines[name].run("ip -4 -o addr show dev lan0 dynamic").stdout
        assert not story.machines[name].run("ip -4 -o addr show dev eth1").stdout
    bridged = {name: found.replace("eth1", "lan0") for name, found in story.advertised.items()}
    until(lambda: story.takes_advertisements() == bridged, f"the bridges have {bridged}")
    # The client that asks for the lease again goes on after the change, and the interface's own does not.
    clients = "ps -eo args= | grep '^dhcpcd: [el]'"

    def alone() -> bool:
        found = story.machines["net3"].run(clients, check=False).stdout
        return "lan0" in found and "eth1" not in found

    until(alone, "of the two clients that of lan0 goes on")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        (
            "net1",
            "ip addr add 192.0.2.77/24 dev br0; sed -i s/^Gateway=.*// /etc/systemd/network/10-hearth-br0.network",
        ),
        ("net2-lan", "rm /etc/netplan/99-hearth-lan0.yaml"),
        ("net3", "rm /etc/network/interfaces.d/hearth-br0"),
    ],
)
def test_a_bridge_that_drifted_is_named_and_repaired(story: Story, name: str, command: str):
    story.machines[name.removesuffix("-lan")].run(command)
    preview = story.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    assert name in preview.stdout
    assert "to replace" not in preview.stdout, "instances may be in the bridge"
    story.project.up("--refresh")
    assert story.project.workspace.drift().returncode == 0


@pytest.mark.timeout(900)
def test_destroy_gives_every_interface_what_it_had(story: Story):
    story.machines["net1"].run("ip addr del 192.0.2.77/24 dev br0", check=False)
    story.project.destroy()
    for name, machine in story.machines.items():
        assert machine.ssh("true").ok
        story.looks_as_before(name)
        lease = {"/var/lib/dhcpcd/eth1.lease": "the lease itself, which was asked for again"}
        assert lasting_difference(story.before[name], machine, lease) == [], name
    until(lambda: story.takes_advertisements() == story.advertised, f"the interfaces have {story.advertised}")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_first_of_two_bridges_goes_alone_and_destroy_gives_back_the_file_that_configured_both(story: Story):
    uplinks = {name: story.bridges[name] for name in ("net2", "net3")}
    lans = {f"{name}-lan": {"host": name, "name": "lan0", "nic": "eth1", "dhcp": True} for name in uplinks}
    everything, story.bridges = story.bridges, {**uplinks, **lans}
    leases = story.leases()
    story.lay()
    story.project.up()
    story.bridges = dict(lans)
    story.lay()
    story.project.up()
    assert story.project.workspace.drift().returncode == 0, "the other bridge is as it was"
    assert story.leases() == leases
    for name in uplinks:
        links = story.machines[name].ssh("ip -o -4 addr show scope global | awk '{ print $2 }'").stdout.split()
        assert sorted(links) == ["eth0", "lan0"], name
    story.project.destroy()
    for name in uplinks:
        story.looks_as_before(name)
        lease = {"/var/lib/dhcpcd/eth1.lease": "the lease itself, which was asked for again"}
        assert lasting_difference(story.before[name], story.machines[name], lease) == [], name
    story.bridges = everything
