"""The checks of a todo app; docs/systems/todo.md tells what they ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

from checks.result import CheckResult
from checks.system import Context, SystemChecks
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from config.systems.todo.parts import kubeconfig_file


async def _ask(context: Context, deployed: DeployedTodo) -> list[CheckResult]:
    # As the settings have it now, for whoever asks: somebody else may have brought it up.
    written = context.written.get("todo", {}).get("kubeconfig")
    kubeconfig = kubeconfig_file(Path(str(written)) if written else None, context.project)
    # The client of Kubernetes waits by itself.
    return await asyncio.to_thread(check_todo, deployed, context.disruptive, kubeconfig=kubeconfig)


CHECKS = SystemChecks(DeployedTodo, _ask)
