"""The checks of an LXD cluster; docs/systems/lxd.md tells what they ask."""

from __future__ import annotations

from checks.lxd.cluster import check_cluster
from checks.lxd.instances import check_instances
from checks.lxd.machines import check_environment
from checks.lxd.names import check_names
from checks.result import CheckResult
from checks.system import Context, SystemChecks
from components.lxd.deployed import DeployedCluster


async def _ask(context: Context, deployed: DeployedCluster) -> list[CheckResult]:
    found: list[CheckResult] = []
    for machine in deployed.members.values() if deployed.environment else ():
        found += await context.on(machine, lambda session: check_environment(session, deployed))
    found += await context.on(deployed.host, lambda session: check_cluster(session, deployed))
    found += await context.on(deployed.host, lambda session: check_instances(session, deployed))
    if dns := deployed.dns:
        found += await context.on(dns.host, lambda session: check_names(session, dns))
    return found


CHECKS = SystemChecks(DeployedCluster, _ask)
