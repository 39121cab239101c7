"""The checks of a maubot host; docs/systems/maubot.md tells what they ask."""

from __future__ import annotations

from checks.maubot.bots import check_bots
from checks.maubot.host import check_others, check_reliability, check_service
from checks.maubot.record import check_record
from checks.result import CheckResult
from checks.system import Context, SystemChecks
from components.maubot.deployed import DeployedMaubot
from providers.machine.session import Session

_IN_ORDER = (check_service, check_bots, check_reliability, check_record, check_others)


async def check_host(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """Return every row, asked on the machine itself."""
    return [row for check in _IN_ORDER for row in await check(session, deployed)]


async def _ask(context: Context, deployed: DeployedMaubot) -> list[CheckResult]:
    return await context.on(deployed.host, lambda session: check_host(session, deployed))


CHECKS = SystemChecks(DeployedMaubot, _ask)
