"""The checks of a todo app; docs/systems/todo.md tells what they ask."""

from __future__ import annotations

import asyncio

from checks.result import CheckResult
from checks.system import Context, SystemChecks
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo


async def _ask(context: Context, deployed: DeployedTodo) -> list[CheckResult]:
    # The client of Kubernetes waits by itself.
    return await asyncio.to_thread(check_todo, deployed, context.disruptive)


CHECKS = SystemChecks(DeployedTodo, _ask)
