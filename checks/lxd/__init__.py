"""The checks of an LXD cluster; docs/systems/lxd.md tells what they ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from checks.lxd.cards import check_given, check_reserved
from checks.lxd.cluster import CLUSTER, check_cluster
from checks.lxd.instances import check_instances
from checks.lxd.machines import check_beside_docker, check_bridges, check_environment, check_overlay, check_ssh
from checks.lxd.names import check_names
from checks.result import CheckResult
from checks.system import Context, SystemChecks
from components.lxd.deployed import DeployedCluster
from providers.errors import HearthError
from providers.machine.session import Session

Ask = Callable[[Session], Awaitable[list[CheckResult]]]


class _Machines:
    """The machines of a cluster as the checks ask them: one that can't be reached is a row that fails, and only one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._away: set[str] = set()

    async def on(self, machine: str, ask: Ask) -> list[CheckResult]:
        """Ask a machine; nothing more of one that did not answer before."""
        if machine in self._away:
            return []
        try:
            return await self._context.on(machine, ask)
        except HearthError as error:
            self._away.add(machine)
            return [CLUSTER.failed(f"the machine {machine} can be reached", error.summary, error.remedy)]


async def _ask(context: Context, deployed: DeployedCluster) -> list[CheckResult]:
    machines = _Machines(context)
    found: list[CheckResult] = []
    if ssh := deployed.ssh:
        for member, machine in deployed.members.items():
            found += await machines.on(machine, lambda session, name=member: check_ssh(session, ssh, name))
    for machine in deployed.members.values() if deployed.environment else ():
        found += await machines.on(machine, lambda session: check_environment(session, deployed))
    for machine, cards in deployed.cards.items():
        found += await machines.on(machine, lambda session, own=cards: check_reserved(session, own))
    for machine, bridges in deployed.bridges.items():
        through = deployed.answering.get(machine, {})
        found += await machines.on(machine, lambda session, own=bridges, by=through: check_bridges(session, own, by))
    for machine in deployed.members.values():
        if deployed.networks or machine in deployed.bridges:
            found += await machines.on(machine, check_beside_docker)
    found += await machines.on(deployed.host, lambda session: check_cluster(session, deployed))
    found += await machines.on(deployed.host, lambda session: check_instances(session, deployed))
    if deployed.cards:
        found += await machines.on(deployed.host, lambda session: check_given(session, deployed))
    for network, addresses in deployed.overlay.items():
        for machine in deployed.members.values():
            found += await machines.on(
                machine, lambda session, net=network, own=addresses: check_overlay(session, net, own)
            )
    if dns := deployed.dns:
        found += await machines.on(dns.host, lambda session: check_names(session, dns))
    return found


CHECKS = SystemChecks(DeployedCluster, _ask)
