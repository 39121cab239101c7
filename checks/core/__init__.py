"""The checks of a core stack; docs/systems/core.md tells what they ask."""

from __future__ import annotations

from checks.core.stack import check_core
from checks.result import CheckResult
from checks.system import Context, SystemChecks
from components.core.deployed import DeployedCore


async def _ask(context: Context, deployed: DeployedCore) -> list[CheckResult]:
    return await context.on(deployed.host, lambda session: check_core(session, deployed))


CHECKS = SystemChecks(DeployedCore, _ask)
