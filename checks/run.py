"""Asks a deployed stack whether it works: machines over the provider's own SSH connections, clusters by their API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from checks.result import CheckResult
from checks.stack import Deployed
from checks.systems import CHECKS, CLUSTER_CHECKS, check_on_cluster, check_system
from config.hosts import Machines
from providers.machine.inventory import Estate, operate
from providers.machine.session import Session

DEADLINE = 300.0


def _say_nothing(_message: str) -> None:
    """Checks have no progress to tell: the table says it all."""


@contextlib.asynccontextmanager
async def connected(machines: Machines, project: Path) -> AsyncGenerator[Estate]:
    """The machines, each connected to when first used, and let go of at the end."""
    estate = Estate(machines, project)
    try:
        yield estate
    finally:
        await estate.close()


async def run_checks(deployed: Deployed, project: Path, *, disruptive: bool = False) -> Mapping[str, list[CheckResult]]:
    """The rows of every deployed system. Raises HearthError where a machine or a cluster can't be reached.

    `disruptive`: also those checks that stop a part to see what happens then.
    """
    rows: dict[str, list[CheckResult]] = {}
    async with connected(deployed.machines, project) as estate:
        for key in (key for key in CHECKS if key in deployed.systems):
            system = deployed.systems[key]

            async def ask(session: Session, key: str = key) -> list[CheckResult]:
                return await check_system(key, session, deployed.systems[key])

            connection = estate.connection(str(system["host"]))
            rows[key] = await operate(connection, ask, deadline=DEADLINE, progress=_say_nothing, warn=_say_nothing)
    for key in (key for key in CLUSTER_CHECKS if key in deployed.systems):
        rows[key] = await asyncio.to_thread(check_on_cluster, key, deployed.systems[key], disruptive)
    return rows
