"""A stack with an LXD cluster on container machines, on the real engine; and what a person sees on the machines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from checks.lxd import CHECKS
from checks.result import CheckResult, Status
from checks.run import connected
from checks.system import Context
from config.hosts import Machines
from lab import Lab, Machine, difference
from lab.snapshot import Snapshot
from lab.systems.lxd import instance_image
from lab.systems.lxd.second_network import second_network
from tests.lab import killing
from tests.lab.project import Project, shown, went_well
from tests.lab.support import SETTLE_SECONDS, until
from toolchain.waiting import as_it_is, wait_until

UP_SECONDS = 840.0
PROGRAM = """
from components.lxd.component import LxdCluster
from components.system import SystemArgs
from config.loader import load

stack = load()
cluster = LxdCluster("lxd", SystemArgs(stack.systems["lxd"], stack.machines, stack.secrets_of("lxd")))
pulumi.export("lxd", cluster.deployed)
"""
LINKS = """
ip -o link | sed 's/^[0-9]*: //; s/@.*//; s/:.*//' | sort
ip route | sort
nft list tables 2>/dev/null | grep -v docker
grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/eth0/accept_ra /proc/sys/net/ipv6/conf/all/forwarding \
    /proc/sys/net/ipv6/conf/eth0/forwarding
cat /etc/subuid /etc/subgid
ps -eo comm= | grep -E 'lxd|lxc|dnsmasq|named' | sort
"""


@dataclass
class Story:
    """A stack that is not up yet, and what was on its machines before it came."""

    stack: ClusterStack
    before: dict[str, Snapshot]
    links: dict[str, str]

    def differences(self, *names: str) -> dict[str, Any]:
        """Return what is otherwise than before for good, on these machines or on all."""

        def look() -> dict[str, Any]:
            links = self.stack.links()
            found = {
                name: difference(self.before[name], self.stack.machines[name].snapshot()) for name in names or links
            }
            changed = {name for name, lines in found.items() if lines or links[name] != self.links[name]}
            return {name: found[name] or links[name] for name in sorted(changed)}

        # What still ends by itself, as a process does, has its time to.
        return wait_until(look, SETTLE_SECONDS, as_it_is, good=lambda found: not found, pause=3)


@contextlib.contextmanager
def story_of(lab: Lab, folder: Path, names: Sequence[str], later: tuple[str, ...] = ()) -> Generator[Story]:
    """Make bare machines with a second network and an image for instances, and end them with the `with`."""
    machines = lab.machines(names, image="machine-lxd", fresh=True)
    image = instance_image.put(lab, machines[0])
    with second_network(lab, machines) as lan:
        lan_of_its_own(machines, lan)
        stack = ClusterStack(folder, machines, image, lan, later)
        yield Story(stack, {machine.name: machine.snapshot() for machine in machines}, stack.links())
        for name in names:
            lab.remove(name)


def until_taken(command: str) -> str:
    """Return a line of sh that gives a change of a network to the daemon's client until it is taken.

    The daemon starts dnsmasq before the old one has ended ("Address already in use"), and takes its change back; the
    kind asks again for the same reason (providers/kinds/lxd/everywhere.py).
    """
    return f"until {command}; do sleep 1; done"


def lan_of_its_own(machines: Sequence[Machine], lan: IPv4Network) -> None:
    """Let networkd configure the second interface of each machine, as it would on a server."""
    for number, machine in enumerate(machines, 1):
        text = f"[Match]\nName=eth1\n\n[Network]\nAddress={lan[number + 1]}/{lan.prefixlen}\n"
        machine.write("/etc/systemd/network/50-lan.network", text)
        machine.run("systemctl enable --now systemd-networkd")
        until(lambda machine=machine: "eth1" in machine.run("ip -4 route").stdout, "networkd has configured eth1")


class ClusterStack:
    """The stack and its machines; the first one begins the cluster, and those of `later` join when they are told to."""

    def __init__(
        self, folder: Path, machines: list[Machine], image: str, lan: IPv4Network, later: tuple[str, ...] = ()
    ) -> None:
        self.machines = {machine.name: machine for machine in machines}
        self.first = machines[0]
        self.lan = lan
        self.up_seconds = UP_SECONDS * self.first.slowness
        members = [name for name in self.machines if name not in later]
        self.project = Project(folder, self.first)
        hosts = {name: {"address": name} for name in self.machines}
        self._machines = {"hosts": hosts, "ssh-config": str(self.first.ssh_config)}
        self.project.settings(hosts=hosts, ssh_config=str(self.first.ssh_config))
        self.project.program(PROGRAM)
        self.settings: dict[str, Any] = {
            "data": "remove",
            "members": {name: {"address": self.machines[name].address} for name in members},
            "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24", "between-members": True}},
            "bridges": {
                "br0": {
                    "members": {
                        name: {"nic": "eth1", "addresses": [f"{lan[10 + number]}/{lan.prefixlen}"]}
                        for number, name in enumerate(members, 1)
                    }
                }
            },
            "ssh": {"user": "admin"},
            "groups": {"last": [members[-1]]},
            "images": {"debian": {"file": image}},
            "profiles": {"container": {"config": {"limits.memory": "512MiB"}}},
            "instances": {f"c{number}": self.instance(name, number) for number, name in enumerate(members, 1)},
            "environment": {
                "variables": {"DOMAIN": "cluster.example.org"},
                "required": ["DOMAIN"],
                "path": "/etc/hearth/env",
                "link": "/root/.env",
            },
            "dns": {"member": self.first.name, "domain": "cluster.example.org", "wildcard": "c1"},
        }
        self.configure()

    def instance(self, member: str, number: int) -> dict[str, Any]:
        """Return an instance on a member, with an address in each of its two networks."""
        return {
            "member": member,
            "type": "container",
            "image": "debian",
            "addresses": {
                "lxdbr0": f"10.100.0.{10 + number}/24",
                "br0": f"{self.lan[20 + number]}/{self.lan.prefixlen}",
            },
            "memory": "384MiB",
            "config": {"limits.processes": "500"},
        }

    def configure(self) -> None:
        """Hand the settings over as they are now."""
        self.project.settings(lxd=json.dumps(self.settings))

    def up(self, *flags: str) -> str:
        """`pulumi up`, which must go well; all that it printed. It installs two daemons, and others use the machine."""
        workspace = self.project.workspace
        words = ("up", "--yes", "--skip-preview", "--stack", workspace.stack, *flags)
        return shown(went_well(workspace.pulumi(*words, check=False, timeout=self.up_seconds)))

    def kill_up(self, mark: str, seconds: float) -> None:
        """Kill `make up`, with all that it started, some seconds after it has printed `mark`."""
        with killing.running(self.project, "up") as process:
            end = time.monotonic() + self.up_seconds
            while mark not in (printed := killing.log(self.project).read_text()):
                assert process.poll() is None, f"it ended without {mark!r}:\n{printed}"
                assert time.monotonic() < end, f"no {mark!r} in:\n{printed}"
                time.sleep(0.05)
            time.sleep(seconds)
            # On a quick machine it may be through by then; that it failed is another matter.
            assert process.poll() in (None, 0), killing.log(self.project).read_text()
            killing.end_group(process)
        killing.nothing_is_left_running(self.project)

    def finish(self) -> str:
        """`make up` after a kill: it says what it found, and goes on; all that it printed."""
        return shown(went_well(self.project.run_make("up", timeout=self.up_seconds)))

    def destroy(self) -> str:
        """`pulumi destroy`, which must go well; all that it printed."""
        workspace = self.project.workspace
        words = ("destroy", "--yes", "--skip-preview", "--run-program", "--stack", workspace.stack)
        return shown(went_well(workspace.pulumi(*words, check=False, timeout=self.up_seconds)))

    def checks(self) -> list[CheckResult]:
        """Every row of `make check`."""

        async def ask() -> list[CheckResult]:
            machines = Machines.from_namespace(self._machines)
            async with connected(machines, self.project.workspace.folder) as inventory:
                deployed = CHECKS.deployed.parse("lxd", self.project.workspace.outputs()["lxd"])
                return list(await CHECKS.ask(Context(inventory), deployed))

        return asyncio.run(ask())

    def passed(self) -> set[str]:
        """Wait until no check fails; the questions of those that pass."""

        def look() -> list[CheckResult]:
            rows = self.checks()
            return [] if any(row.status is Status.FAIL for row in rows) else rows

        rows: list[CheckResult] = until(look, "every check passes", 240)
        return {row.question for row in rows if row.status is Status.PASS}

    def failed(self) -> dict[str, str]:
        """Question -> what was seen, of each check that failed."""
        return {row.question: row.reason for row in self.checks() if row.status is Status.FAIL}

    def lxc(self, command: str, **options: Any) -> str:
        """Return what LXD's own client says on the first machine."""
        return self.first.run(f"LXD_CONF=/run/lxc lxc {command}", **options).stdout.strip()

    def lose(self, name: str) -> None:
        """Have the settings of a cluster whose machine is gone for good, with what was on it."""
        gone = self.machines.pop(name)
        self.first = next(iter(self.machines.values()))
        hosts = {each: {"address": each} for each in self.machines}
        self._machines = {"hosts": hosts, "ssh-config": str(self.first.ssh_config), "lost": [gone.name]}
        self.project.settings(hosts=hosts, lost=[gone.name])
        bridges = [each["members"] for each in self.settings.get("bridges", {}).values()]
        for members in (self.settings["members"], *bridges):
            del members[name]
        self.settings["instances"] = {
            each: wanted for each, wanted in self.settings["instances"].items() if wanted["member"] != name
        }
        self.settings["groups"] = {}
        if "dns" in self.settings:
            self.settings["dns"] |= {"member": self.first.name, "wildcard": next(iter(self.settings["instances"]))}
        self.configure()

    def address(self, instance: str, link: str) -> str:
        """Return the address that an instance is to have in a network."""
        return self.settings["instances"][instance]["addresses"][link].partition("/")[0]

    def addresses(self, instance: str) -> list[str]:
        """List the addresses that an instance is to have, in the order of their text."""
        return sorted(each.partition("/")[0] for each in self.settings["instances"][instance]["addresses"].values())

    def links(self) -> dict[str, str]:
        """Machine -> its links, routes, tables, kernel settings, ranges and processes of the daemon's."""
        return {name: machine.run(LINKS, check=False).stdout for name, machine in self.machines.items()}
