"""`python -m tests.bench`: prints figures, and never fails because of one."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lab import Lab, LabError
from tests.bench import compare, core, figures, lxd, lxd_ansible, maubot, scale, todo, turns
from tests.bench.ansible import Ansible
from tests.bench.hearth import Hearth
from tests.bench.workload import Workload, WrongResult
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def arguments() -> argparse.Namespace:
    """Return what the person asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Hearth on lab machines.")
    parser.add_argument("--runs", type=int, help="repetitions; medians are shown (3, or 1 with --scale)")
    parser.add_argument("--quick", action="store_true", help="one run on one machine; with --scale, up to 400 only")
    parser.add_argument("--scale", action="store_true", help="growth to 1,000 resources instead of the comparison")
    parser.add_argument("--core", action="store_true", help="the core stack's start, answers and memory instead")
    parser.add_argument("--lxd", action="store_true", help="an LXD cluster of two and of four members instead")
    parser.add_argument("--maubot", action="store_true", help="maubot's deploy, drift check and replies instead")
    parser.add_argument("--todo", action="store_true", help="the todo app's deploy, update and answers instead")
    parser.add_argument("--against", action="append", metavar="REVISION", help="Hearth of this revision, in turns")
    parser.add_argument(
        "--with", dest="settings", action="append", metavar="NAME=VALUE", help="the same, with that set"
    )
    parser.add_argument("--lxd-ansible", action="store_true", help="the LXD cluster against Ansible's modules instead")
    parser.add_argument("--machines", type=int, nargs="+", choices=sorted(compare.GOALS), help="how many (1 and 4)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown too")
    return parser.parse_args()


def main() -> int:
    """Measure, and print what was found. 1 where something could not be measured at all."""
    asked = arguments()
    console = Console(width=max(Console().width, 110))

    def say(line: str) -> None:
        console.print(line, style="dim", markup=False, highlight=False)

    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as name:
        folder = Path(name)
        lab = Lab(f"hearth-bench-{os.getpid()}", folder / "lab", say=say)
        try:
            if asked.core:
                show_figures(asked, "The core stack by docker compose", core.measure(lab), console)
            elif asked.lxd:
                sizes = [2] if asked.quick else lxd.COUNTS
                show_figures(asked, "An LXD cluster", lxd.measure(lab, folder, sizes), console)
            elif asked.maubot:
                show_figures(asked, "maubot and its bots", maubot.measure(lab, folder), console)
            elif asked.todo:
                show_figures(asked, "The todo app on the lab's cluster", todo.measure(lab, folder), console)
            elif asked.against or asked.settings:
                measure_in_turns(asked, lab, folder, console)
            elif asked.lxd_ansible:
                found = lxd_ansible.measure(lab, folder)
                show_figures(asked, "The LXD cluster, Hearth against Ansible: ratio", found, console)
            elif asked.scale:
                measure_growth(asked, lab, folder, console)
            else:
                measure_against_ansible(asked, lab, folder, console)
        except (LabError, ToolchainError, WrongResult) as error:
            console.print(str(error), style="red", markup=False)
            return 1
        except KeyboardInterrupt:
            say("stopped; what was made is taken away")
            return 130
        finally:
            lab.down()
    return 0


def measure_against_ansible(asked: argparse.Namespace, lab: Lab, folder: Path, console: Console) -> None:
    """Compare, on one machine and on four."""
    counts = asked.machines or ([1] if asked.quick else sorted(compare.GOALS))
    runs = asked.runs or (1 if asked.quick else 3)
    workload = Workload()
    machines = lab.machines([f"bench{number}" for number in range(1, max(counts) + 1)])
    rows: list[compare.Row] = []
    for count in counts:
        some = machines[:count]
        hearth = Hearth(folder / f"hearth-{count}", some, workload)
        ansible = Ansible(folder / f"ansible-{count}", some, workload)
        rows += compare.compare(hearth, ansible, some, workload, runs, lab.say)
    console.print(compare.table(rows, workload, runs))
    finish(asked, console, compare.HEADINGS, map(compare.cells, rows))


def measure_in_turns(asked: argparse.Namespace, lab: Lab, folder: Path, console: Console) -> None:
    """Hearth of this tree, of others, and with other settings."""
    runs = asked.runs or (1 if asked.quick else 3)
    each = turns.variants(asked.against or [], asked.settings or [], folder)
    rows = turns.cells(turns.take_turns(each, folder, lab.machine("bench1"), Workload(), runs, lab.say))
    console.print(figures.plain_table(f"Hearth in turns; median of {runs}", turns.HEADINGS, rows))
    finish(asked, console, turns.HEADINGS, rows)


def measure_growth(asked: argparse.Namespace, lab: Lab, folder: Path, console: Console) -> None:
    """Hearth alone, in growing sizes."""
    runs = asked.runs or 1
    sizes = scale.SIZES[:2] if asked.quick else scale.SIZES
    rows = scale.grow(folder, lab.machine("bench1"), sizes, runs, lab.say)
    console.print(scale.table(rows, runs))
    finish(asked, console, scale.HEADINGS, map(scale.cells, rows))


def show_figures(asked: argparse.Namespace, title: str, found: list[figures.Figure], console: Console) -> None:
    """Measure one system."""
    console.print(figures.table(title, found))
    finish(asked, console, figures.HEADINGS, map(figures.cells, found))


def finish(asked: argparse.Namespace, console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """When and on what it was, and the table as Markdown where that was asked for."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    load = f"{os.getloadavg()[1]:.0f} over the last 5 minutes"
    console.print(f"{today}, on {os.cpu_count()} cores that the machines of the lab share; load average {load}.")
    if asked.markdown:
        lines = [headings, ["---"] * len(headings), *rows]
        for line in lines:
            print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    sys.exit(main())
