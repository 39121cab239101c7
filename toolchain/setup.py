"""`make setup`: the virtual environment, the engine, its launchers, the state's folder. Shows each with its time."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from toolchain.pulumi import launchers
from toolchain.pulumi.engine import choose, default_sources
from toolchain.stack.environment import prepare_state
from toolchain.stack.git_filter import ensure_filter, settle
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# How the bootstrap, which runs in another Python, tells what it did and when it began: "<outcome> <seconds>".
BOOTSTRAP_REPORT = "HEARTH_BOOTSTRAP_REPORT"
READY = "ready"


@dataclass(frozen=True)
class Step:
    """One line of the table: what it is for, what came of it, how long it took."""

    name: str
    outcome: str
    seconds: float


class Progress:
    """Runs steps, and shows each while it runs: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps: list[Step] = []

    def run(self, name: str, work: Callable[[Callable[[str], None]], str]) -> None:
        """Do one step. `work` gets a function to say what it is at, and returns what came of it."""
        begun = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(name) as status:
                outcome = work(lambda text: status.update(f"{name}: {text} ({time.monotonic() - begun:.0f} s)"))
        else:
            outcome = work(lambda text: self._console.print(f"{name}: {text}", soft_wrap=True, highlight=False))
        self.steps.append(Step(name, outcome, time.monotonic() - begun))

    def table(self) -> Table:
        """Return what was done, step by step."""
        table = Table(box=None, pad_edge=False)
        table.add_column("step")
        table.add_column("outcome", overflow="fold")
        table.add_column("seconds", justify="right")
        for step in self.steps:
            table.add_row(step.name, step.outcome, f"{step.seconds:.1f}")
        return table


def setup(root: Path = ROOT) -> None:
    """Make the toolchain ready; change nothing where it is. Raises ToolchainError with what to install."""
    progress = Progress(Console())
    outcome, _, seconds = os.environ.pop(BOOTSTRAP_REPORT, "").rpartition(" ")
    progress.steps.append(Step("Python environment", outcome or READY, float(seconds or 0)))

    def engine_and_launchers(say: Callable[[str], None]) -> str:
        engine = choose(default_sources(), say)
        changed = launchers.place(engine, root / ".venv", root)
        return f"{engine.origin}{': .venv/bin/pulumi now starts it' if changed else ''}"

    def state(say: Callable[[str], None]) -> str:
        done = "made .state with a passphrase of its own" if prepare_state(root) else ""
        filtered = "git keeps this clone's salt out of Pulumi.dev.yaml" if ensure_filter(root) else ""
        settle(root)  # for a stack that was made without us, by plain Pulumi
        return "; ".join(filter(None, (done, filtered))) or READY

    progress.run("Pulumi engine", engine_and_launchers)
    progress.run("State and passphrase", state)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 110).print(progress.table())
