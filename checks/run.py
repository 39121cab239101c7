"""Asks a deployed stack whether it works: machines over the provider's own SSH connections, clusters by their API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from checks.result import CheckResult
from checks.stack import DeployedStack
from checks.system import Context, SystemChecks
from config.hosts import Machines
from config.systems import SYSTEMS
from providers.machine.inventory import Inventory


@contextlib.asynccontextmanager
async def connected(machines: Machines, project: Path) -> AsyncGenerator[Inventory]:
    """Yield the machines, each connected to when first used, and let go of at the end."""
    inventory = Inventory(machines, project)
    try:
        yield inventory
    finally:
        await inventory.close()


async def run_checks(
    stack: DeployedStack, project: Path, *, disruptive: bool = False
) -> Mapping[str, list[CheckResult]]:
    """Return the rows of every deployed system.

    Raises HearthError where a machine or a cluster can't be reached, or where another version of Hearth brought a
    system up.

    `disruptive`: also those checks that stop a part to see what happens then.
    """
    checks: dict[str, SystemChecks[Any]] = {key: SYSTEMS[key].load_checks() for key in SYSTEMS if key in stack.systems}
    # All of them first: nothing is asked of any where one can't be read.
    deployed = {key: each.deployed.parse(key, stack.systems[key]) for key, each in checks.items()}
    rows: dict[str, list[CheckResult]] = {}
    async with connected(stack.machines, project) as inventory:
        context = Context(inventory, disruptive, stack.written, project)
        for key, each in checks.items():
            rows[key] = list(await each.ask(context, deployed[key]))
    return rows
