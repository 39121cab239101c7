"""What the checks of a system are: the model of its output, a function that asks, and the exit codes that it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from checks.result import CheckResult
from components.system import Deployed
from providers.machine.inventory import Inventory, operate
from providers.machine.session import Session

DEADLINE_SECONDS = 300.0

DeployedT = TypeVar("DeployedT", bound=Deployed)
Answer = TypeVar("Answer")


def _say_nothing(_message: str) -> None:
    """Take what is said: checks have no progress to tell, as the table says it all."""


@dataclass(frozen=True)
class Context:
    """What a run of checks may use."""

    inventory: Inventory
    """The machines that the settings name."""
    disruptive: bool = False
    """Whether parts may be stopped on purpose, to see that they come back."""
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Key of each system -> its settings as the stack's file has them now, unchecked: for what is another thing for
    each person who asks, and so in no state."""
    project: Path = field(default_factory=Path.cwd)
    """The project's folder, at which relative paths in settings start."""

    async def on(
        self, machine: str, ask: Callable[[Session], Awaitable[Answer]], *, deadline: float = DEADLINE_SECONDS
    ) -> Answer:
        """Ask something over a session on a machine.

        Raises HearthError where it can't be reached or takes longer than `deadline` seconds.
        """
        connection = self.inventory.connection(machine)
        return await operate(
            connection,
            lambda session: ask(session.looking()),
            deadline=deadline,
            progress=_say_nothing,
            warn=_say_nothing,
        )


@dataclass(frozen=True)
class SystemChecks(Generic[DeployedT]):
    """The checks of one system: `CHECKS` in checks/<key>/__init__.py. Its page says what the exit codes mean."""

    deployed: type[DeployedT]
    """What the component tells them."""
    ask: Callable[[Context, DeployedT], Awaitable[Sequence[CheckResult]]]
    """Every row, in the order in which they are shown. One whose forerunner failed is asked all the same. Raises
    HearthError where the machine or the cluster can't be asked."""
