"""Which checks belong to which system of the estate. A new system is one line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from checks.core.stack import check_core
from checks.result import CheckResult
from checks.secondbrain.host import check_prerequisites, check_us1, check_us2
from checks.secondbrain.share import check_us3
from providers.machine.session import Session

ClusterCheck = Callable[[Mapping[str, Any], bool], Sequence[CheckResult]]
"""`(deployed, disruptive)` -> rows. It connects by itself, as the system's output says how."""
Check = Callable[[Session, Mapping[str, Any]], Awaitable[Sequence[CheckResult]]]

CHECKS: Mapping[str, Sequence[Check]] = {
    "secondbrain": (check_prerequisites, check_us1, check_us2, check_us3),
    "core": (check_core,),
}
"""Key of a system in the stack's outputs -> its checks, in the order in which they are asked. The output of a system
says on which machine (`host`) it is."""


def _todo(deployed: Mapping[str, Any], disruptive: bool) -> Sequence[CheckResult]:
    # Only where it is deployed: the client takes its time to load.
    from checks.todo.app import check_todo

    return check_todo(deployed, disruptive)


CLUSTER_CHECKS: Mapping[str, Sequence[ClusterCheck]] = {"todo": (_todo,)}
"""The same for systems on Kubernetes, whose output says which cluster (`context`) they are on."""


async def check_system(key: str, session: Session, deployed: Mapping[str, Any]) -> list[CheckResult]:
    """Every row of one system. A check whose forerunner failed is still asked: its row says what it sees."""
    rows: list[CheckResult] = []
    for check in CHECKS[key]:
        rows += await check(session, deployed)
    return rows


def check_on_cluster(key: str, deployed: Mapping[str, Any], disruptive: bool) -> list[CheckResult]:
    """Every row of one system on Kubernetes."""
    return [row for check in CLUSTER_CHECKS[key] for row in check(deployed, disruptive)]
