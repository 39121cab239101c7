"""`./hearth <command>`: what `make` calls too, with exit codes that arrive. Standard library only.

Each command is a few steps, one process after another; the first that fails ends it with its own exit code. The dev
stack's machines are the lab's: made before its `up`, and gone after its `down`.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from typing import NoReturn

from toolchain.errors import ToolchainError
from toolchain.stack.alone import hold_stack
from toolchain.versions import ROOT

PYTHON = str(ROOT / ".venv" / "bin" / "python")
LAB_STACK = "dev"
HELP = {
    "setup": "get the toolchain: .venv, Pulumi's engine, a place for the state",
    "up": "bring the stack up (dev: on lab machines, made first)",
    "preview": "show what `up` would change",
    "check": "ask the running stack what its users would ask; 0 if all is well, else the system's own exit code",
    "drift": "show what changed on the machines since `up`; exit code 7 if anything did",
    "down": "take the stack down: everything is put back as it was found (dev: and the lab with it)",
}


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="hearth", description="Hearth's commands, each with its own exit code.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in HELP.items():
        command = commands.add_parser(name, help=text)
        if name == "setup":
            continue
        command.add_argument("--stack", default=LAB_STACK, help="the stack (default: dev)")
        if name == "check":
            command.add_argument("--disruptive", action="store_true", help="also stop parts, to see them come back")
        else:
            command.add_argument("rest", nargs="*", help="further arguments for pulumi, after --")
    return parser


def steps(parsed: argparse.Namespace) -> list[list[str]]:
    """Return the processes of a command, one after another."""
    setup = [sys.executable, "-m", "toolchain", "setup"]
    if parsed.command == "setup":
        return [setup]
    if parsed.command == "check":
        return [setup, [PYTHON, "-m", "checks", "--stack", parsed.stack, *(["--disruptive"] * parsed.disruptive)]]
    own = [sys.executable, "-m", "toolchain", parsed.command, "--stack", parsed.stack, "--", *parsed.rest]
    lab = parsed.stack == LAB_STACK
    before = [[PYTHON, "-m", "lab", "up"]] if lab and parsed.command == "up" else []
    after = [[PYTHON, "-m", "lab", "down"]] if lab and parsed.command == "down" else []
    return [setup, *before, own, *after]


def run(commands: list[list[str]]) -> int:
    """Run them until one fails; the exit code of the last one that ran, 128 + n where signal n ended it."""
    # Ctrl-C is for the process that is at work: it ends in its own way, and tells its exit code.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    for command in commands:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            return code if code > 0 else 128 - code
    return 0


def main() -> NoReturn:
    """Run the command that the command line names."""
    parsed = arguments().parse_args()
    try:
        # The lab's machines are made and removed outside of what the stack's own lock covers.
        if parsed.command in ("up", "down"):
            hold_stack(ROOT / ".state" / f".hearth-command-{parsed.stack}.lock", parsed.stack, parsed.command)
    except ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(run(steps(parsed)))


if __name__ == "__main__":
    main()
