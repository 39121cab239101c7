"""The checks of a SecondBrain host; docs/systems/secondbrain.md tells what they ask."""

from __future__ import annotations

from checks.result import CheckResult, Story
from checks.secondbrain import disruption
from checks.secondbrain.codes import Code
from checks.secondbrain.host import check_prerequisites, check_us1, check_us2
from checks.secondbrain.share import check_us3
from checks.secondbrain.share_access import dropped
from checks.system import DEADLINE_SECONDS, Context, SystemChecks
from components.secondbrain.deployed import DeployedSecondBrain
from providers.machine.session import Session

_OF_THE_MACHINE, _AS_THE_ACCOUNT = (check_prerequisites, check_us1), (check_us2, check_us3)


async def check_host(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """Return every row, asked on the machine itself."""
    rows = [row for check in _OF_THE_MACHINE for row in await check(session, deployed)]
    if await session.account(deployed.account) is None:
        # Nothing can be asked as somebody who is not there, which is said above.
        story = Story("US2", Code.CONFIGURATION)
        return [*rows, story.skipped("its containers run, and read the share", "there is no account to ask as")]
    return rows + [row for check in _AS_THE_ACCOUNT for row in await check(session, deployed)]


async def _ask(context: Context, deployed: DeployedSecondBrain) -> list[CheckResult]:
    # A pod that is late is waited for, as long as a start may take.
    deadline = DEADLINE_SECONDS + deployed.start_timeout
    rows = await context.on(deployed.host, lambda session: check_host(session, deployed), deadline=deadline)
    if not context.disruptive:
        return rows
    checks = [*disruption.checks_of(deployed), *([dropped] if deployed.share else [])]
    for check in checks:
        # An operation each: it has its own time, and one that can't be asked leaves the others be.
        rows.append(
            await context.on(deployed.host, lambda session, check=check: check(session, deployed), deadline=deadline)
        )
    return rows


CHECKS = SystemChecks(DeployedSecondBrain, _ask)
