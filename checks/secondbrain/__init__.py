"""The checks of a SecondBrain host; docs/systems/secondbrain.md tells what they ask."""

from __future__ import annotations

from checks.result import CheckResult
from checks.secondbrain.host import check_prerequisites, check_us1, check_us2
from checks.secondbrain.share import check_us3
from checks.system import Context, SystemChecks
from components.secondbrain.deployed import DeployedSecondBrain
from providers.machine.session import Session

_IN_ORDER = (check_prerequisites, check_us1, check_us2, check_us3)


async def check_host(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """Return every row, asked on the machine itself."""
    return [row for check in _IN_ORDER for row in await check(session, deployed)]


async def _ask(context: Context, deployed: DeployedSecondBrain) -> list[CheckResult]:
    return await context.on(deployed.host, lambda session: check_host(session, deployed))


CHECKS = SystemChecks(DeployedSecondBrain, _ask)
