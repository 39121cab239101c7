"""A stack with an LXD cluster on container machines, on the real engine; and what a person sees on the machines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from checks.lxd import CHECKS
from checks.result import CheckResult, Status
from checks.run import connected
from checks.system import Context
from config.hosts import Machines
from lab import Machine
from tests.lab.project import Project, shown, went_well

UP_SECONDS = 840.0
PROGRAM = """
from components.lxd.component import LxdCluster
from components.system import SystemArgs
from config.loader import load

stack = load()
cluster = LxdCluster("lxd", SystemArgs(stack.systems["lxd"], stack.machines, stack.secrets_of("lxd")))
pulumi.export("lxd", cluster.deployed)
"""


class ClusterStack:
    """The stack and its machines; the first one begins the cluster."""

    def __init__(self, folder: Path, machines: list[Machine], image: str) -> None:
        self.machines = {machine.name: machine for machine in machines}
        self.first = machines[0]
        self.project = Project(folder, self.first)
        hosts = {name: {"address": name} for name in self.machines}
        self._machines = {"hosts": hosts, "ssh-config": str(self.first.ssh_config)}
        self.project.settings(hosts=hosts, ssh_config=str(self.first.ssh_config))
        self.project.program(PROGRAM)
        self.settings: dict[str, Any] = {
            "data": "remove",
            "members": {name: {"address": machine.address} for name, machine in self.machines.items()},
            "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24", "between-members": True}},
            "groups": {"last": [list(self.machines)[-1]]},
            "images": {"debian": {"file": image}},
            "profiles": {"container": {"config": {"limits.memory": "512MiB"}}},
            "instances": {
                f"c{number}": {
                    "member": name,
                    "type": "container",
                    "image": "debian",
                    "addresses": {"lxdbr0": f"10.100.0.{10 + number}/24"},
                    "memory": "384MiB",
                    "config": {"limits.processes": "500"},
                }
                for number, name in enumerate(self.machines, 1)
            },
            "environment": {
                "variables": {"DOMAIN": "cluster.example.org"},
                "required": ["DOMAIN"],
                "path": "/etc/hearth/env",
            },
            "dns": {"member": self.first.name, "domain": "cluster.example.org", "wildcard": "c1"},
        }
        self.configure()

    def configure(self) -> None:
        """Hand the settings over as they are now."""
        self.project.settings(lxd=json.dumps(self.settings))

    def up(self, *flags: str) -> str:
        """`pulumi up`, which must go well; all that it printed. It installs two daemons, and others use the machine."""
        workspace = self.project.workspace
        words = ("up", "--yes", "--skip-preview", "--stack", workspace.stack, *flags)
        return shown(went_well(workspace.pulumi(*words, check=False, timeout=UP_SECONDS)))

    def checks(self) -> list[CheckResult]:
        """Every row of `make check`."""

        async def ask() -> list[CheckResult]:
            machines = Machines.from_namespace(self._machines)
            async with connected(machines, self.project.workspace.folder) as inventory:
                deployed = CHECKS.deployed.parse("lxd", self.project.workspace.outputs()["lxd"])
                return list(await CHECKS.ask(Context(inventory), deployed))

        return asyncio.run(ask())

    def failed(self) -> dict[str, str]:
        """Question -> what was seen, of each check that failed."""
        return {row.question: row.reason for row in self.checks() if row.status is Status.FAIL}

    def lxc(self, command: str, **options: Any) -> str:
        """Return what LXD's own client says on the first machine."""
        return self.first.run(f"HOME=/root lxc {command}", **options).stdout.strip()
