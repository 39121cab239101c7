"""`python -m checks --stack dev`: asks the deployed stack what its users would ask, and prints a table.

Exit codes are those of the systems: checks/<key>/codes.py, and the pages in docs/systems.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.result import CANT_BE_ASKED, CheckResult, Status, exit_code
from checks.run import run_checks
from checks.stack import deployed
from config.mistakes import WrongSettings
from providers.errors import HearthError

PROJECT = Path(__file__).resolve().parent.parent
STYLES = {Status.PASS: "green", Status.FAIL: "bold red", Status.SKIP: "yellow"}


def table(system: str, rows: list[CheckResult]) -> Table:
    """Return the rows of one system, as they are printed."""
    made = Table(title=system, title_justify="left", title_style="bold", expand=False)
    made.add_column("story")
    made.add_column("check", overflow="fold")
    made.add_column("result")
    made.add_column("details", overflow="fold")
    for row in rows:
        made.add_row(row.story, Text(row.question), Text(row.status.value, STYLES[row.status]), Text(row.reason))
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the checks of a stack; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m checks", description="Ask a deployed stack whether it works.")
    parser.add_argument("--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument("--project", type=Path, default=PROJECT, help=argparse.SUPPRESS)
    parser.add_argument(
        "--disruptive", action="store_true", help="also stop parts on purpose, to see that they come back"
    )
    options = parser.parse_args(arguments)
    console, errors = Console(), Console(stderr=True)
    try:
        found = asyncio.run(
            run_checks(deployed(options.project, options.stack), options.project, disruptive=options.disruptive)
        )
    except (HearthError, WrongSettings) as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True, style="red")
        return CANT_BE_ASKED
    except KeyboardInterrupt:
        return 130
    results = [row for rows in found.values() for row in rows]
    for system, rows in found.items():
        console.print(table(system, rows))
    counts = {status: sum(row.status is status for row in results) for status in Status}
    console.print(", ".join(f"{count} {status.value}" for status, count in counts.items()))
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
