"""`python -m lab up|down|status`: the lab of this clone."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab.errors import LabError
from lab.kubernetes.cluster import KUBECONFIG, find_cluster
from lab.lab import DEFAULT_MACHINES, Lab


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 with a message on stderr."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Machines to try Hearth on, made on this one.")
    parser.add_argument("--name", default="hearth-lab", help="the lab's name (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=None, help="where keys and ssh_config are kept (default: .lab)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make what is missing, switch on what is off")
    up.add_argument(
        "--machines",
        nargs="+",
        default=None,
        metavar="NAME[:IMAGE][:kernel]",
        help="what to make: registry, windows, or a machine, of the image machine or machine-podman, "
        "on this machine's kernel or on one of its own "
        f"(default: {' '.join(DEFAULT_MACHINES)})",
    )
    up.add_argument("--kubernetes", action="store_true", help="a Kubernetes cluster instead of the default machines")
    up.add_argument("--nodes", type=int, default=1, help="how many nodes it has (default: %(default)s)")
    down = commands.add_parser("down", help="remove everything that this lab made")
    down.add_argument("--purge", action="store_true", help="remove the shared images too")
    commands.add_parser("status", help="show the machines")
    options = parser.parse_args(arguments)
    console, errors = Console(), Console(stderr=True)
    started = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/]  {line}", highlight=False)

    try:
        lab = Lab(options.name, options.folder, say)
        if options.command == "up":
            programs = None
            if options.kubernetes:
                programs = lab.kubernetes(options.nodes).programs
            lab.up(options.machines or (() if options.kubernetes else DEFAULT_MACHINES))
            _show(lab, console)
            say("the lab is up")
            if programs is not None:
                following = f"export KUBECONFIG={lab.folder / KUBECONFIG} PATH={programs}:$PATH", "kubectl get pods -A"
            else:
                following = f"ssh -F {lab.ssh_config} brain", "make up"
            words = "   ".join(f"[bold]{command}[/]" for command in (*following, "python -m lab down"))
            console.print(f"Next: {words}", highlight=False, soft_wrap=True)
        elif options.command == "down":
            lab.down(purge=options.purge)
        else:
            _show(lab, console)
    except LabError as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True, style="red")
        return 1
    except KeyboardInterrupt:
        errors.print(
            "Stopped. What was made so far stays; `python -m lab up` goes on, `python -m lab down` removes it."
        )
        return 130
    return 0


def _show(lab: Lab, console: Console) -> None:
    table = Table(title=f"{lab.name} ({lab.folder})", title_justify="left")
    for heading in ("name", "kind", "address", "image", "state"):
        table.add_column(heading)
    for row in lab.status():
        table.add_row(row["name"], row["kind"], row["address"], row["image"], row["state"])
    console.print(table)
    cluster = find_cluster(lab)
    if cluster is not None:
        state = ", ".join(f"{name} {state}" for name, state in cluster.node_states().items())
        console.print(
            f"Kubernetes: {state or 'does not answer'}   http://{cluster.ingress_address}   "
            f"KUBECONFIG={cluster.kubeconfig}   kubectl and helm: {cluster.programs}",
            highlight=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    sys.exit(main())
