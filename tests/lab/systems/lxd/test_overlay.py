"""The overlay on the real engine, with the lab's stand-in for ZeroTier: in, seen by the checks, drifted, and out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from checks.lxd.machines import check_overlay
from checks.result import CheckResult, Status
from checks.run import connected
from checks.system import Context
from config.hosts import Machines
from lab import Lab, Machine
from lab.snapshot import Snapshot
from lab.systems.lxd import zerotier
from tests.lab.project import Project, shown
from tests.lab.support import lasting_difference, until

NETWORK, ADDRESSES = "0123456789abcdef", {"node1": "10.147.17.1", "node2": "10.147.17.2"}
PROGRAM = """
from components.lxd import overlay
from config.systems.lxd import Lxd


class Machines(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("hearth:lxd:Cluster", "lxd")


settings = Lxd.model_validate({settings!r})
overlay.lay(Machines(), "lxd", settings, {{"lxd-zerotier-token": Output.secret({token!r})}}, {{}})
"""


class Story:
    """The stack, its machines, and what was on them."""

    def __init__(self, project: Project, machines: list[Machine]) -> None:
        self.project, self.machines = project, machines
        self.namespace: dict[str, Any] = {
            "hosts": {machine.name: {"address": machine.name} for machine in machines},
            "ssh-config": str(machines[0].ssh_config),
        }
        project.settings(hosts=self.namespace["hosts"], ssh_config=self.namespace["ssh-config"])
        settings = {
            "members": {machine.name: {"address": machine.address} for machine in machines},
            "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24"}},
            "overlay": {
                "network": NETWORK,
                "controller": machines[0].address,
                "addresses": {name: f"{address}/24" for name, address in ADDRESSES.items()},
            },
        }
        project.program(PROGRAM.format(settings=settings, token=zerotier.TOKEN))
        self.before: dict[str, Snapshot] = {machine.name: machine.snapshot() for machine in machines}

    def failed(self) -> set[str]:
        """Ask every machine; the questions that failed."""

        async def ask() -> list[CheckResult]:
            async with connected(Machines.from_namespace(self.namespace), self.project.workspace.folder) as inventory:
                context = Context(inventory)
                found = [
                    await context.on(machine.name, lambda session: check_overlay(session, NETWORK, ADDRESSES))
                    for machine in self.machines
                ]
            return [row for rows in found for row in rows]

        return {row.question for row in asyncio.run(ask()) if row.status is Status.FAIL}


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    machines = lab.machines(ADDRESSES, image="machine-lxd", fresh=True)
    routes = [{"target": "10.147.17.0/24", "via": None}]
    zerotier.install(machines, [{"id": NETWORK, "routes": routes}])
    yield Story(Project(tmp_path_factory.mktemp("overlay"), machines[0]), machines)
    for name in ADDRESSES:
        lab.remove(name)


def test_every_machine_joins_is_let_in_and_reaches_the_others(story: Story):
    story.project.up()
    until(lambda: not story.failed(), "every check passes", 180)
    assert zerotier.TOKEN not in str(story.project.workspace.state())
    assert story.project.workspace.drift().returncode == 0


def test_a_machine_that_left_is_seen_by_the_checks_and_by_a_preview_and_comes_back(story: Story):
    leave = f"import urllib.request as r; q = r.Request('http://127.0.0.1:9993/network/{NETWORK}', method='DELETE',"
    headers = f"headers={{'X-ZT1-Auth': open('{zerotier.HOME}/authtoken.secret').read()}}); r.urlopen(q)"
    story.machines[1].run(f'python3 -c "{leave} {headers}"')
    assert f"node2 is in the network {NETWORK}" in story.failed()
    preview = story.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    assert "lxd-overlay-node2" in preview.stdout
    story.project.up("--refresh")
    until(lambda: not story.failed(), "every check passes again", 180)


def test_destroy_leaves_the_network_and_the_package_that_was_there(story: Story):
    story.project.destroy()
    for machine in story.machines:
        assert lasting_difference(story.before[machine.name], machine) == [], machine.name
        assert not machine.run(f"ip link show zt{NETWORK[-6:]}", check=False).ok
