"""`python -m toolchain <command>`: setup, up, preview, drift, down, pulumi, env and others.

Before `.venv` exists this runs in any Python 3.11 or later, so only the standard library is imported up here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from toolchain.bootstrap import ensure_environment
from toolchain.errors import ToolchainError
from toolchain.versions import ENGINE, LOCK_FILE, ROOT

ENVIRONMENT = ROOT / ".venv"


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description="Gets Pulumi's engine, and runs it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("setup", help="make the toolchain ready: .venv, the engine, .state")
    commands.add_parser("env", help="print the environment of the plain pulumi command, for `eval`")
    commands.add_parser("version", help="print the version of Pulumi's engine that this clone is pinned to")
    changed = commands.add_parser("stacks", help="print, as JSON, the stacks that the changes since a commit affect")
    changed.add_argument("--since", required=True, metavar="COMMIT")
    readied = commands.add_parser(
        "preview-settings", help="ready a checkout for a preview without the passphrase; prints the state's place"
    )
    readied.add_argument("--stack", required=True, help="the stack")
    plain = commands.add_parser("pulumi", help="run pulumi with that environment: python -m toolchain pulumi -- ARGS")
    plain.add_argument("rest", nargs=argparse.REMAINDER)
    for name, text in (
        ("up", "bring a stack up; goes on after a run that was killed"),
        ("preview", "show what `up` would change; changes nothing"),
        ("drift", "show what changed on the machines since `up`; exit code 7 if anything did"),
        ("down", "take a stack down: everything is put back as it was found"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--stack", default="dev", help="the stack (default: dev)")
        command.add_argument("--project", type=Path, default=ROOT, help="the folder of Pulumi.yaml (default: Hearth's)")
        command.add_argument("rest", nargs="*", help="further arguments for pulumi, after --")
    return parser


def enter_environment() -> None:
    """Make `.venv` right, and go on in its Python."""
    begun = time.monotonic()
    done = ensure_environment(ENVIRONMENT, LOCK_FILE, lambda text: print(f"Python environment: {text}", flush=True))
    python = ENVIRONMENT / "bin" / "python"
    if os.path.realpath(sys.prefix) == os.path.realpath(ENVIRONMENT):
        return
    outcome = "installed requirements.lock" if done else "ready"
    report = {"HEARTH_BOOTSTRAP_REPORT": f"{outcome} {time.monotonic() - begun:.2f}"}
    command = [str(python), "-m", "toolchain", *sys.argv[1:]]
    os.chdir(ROOT)
    os.execve(python, command, {**os.environ, **report})


def preview_settings(stack: str) -> str:
    """Ready the stack's file of this checkout for a preview; return `backend=ADDRESS`, for a workflow's outputs."""
    from toolchain.stack.unreadable import ready_for_preview

    gone = ready_for_preview(ROOT / f"Pulumi.{stack}.yaml", os.environ)
    local = f"file://{ROOT / '.state'}"
    if gone is None:
        return f"backend={os.environ.get('PULUMI_BACKEND_URL') or local}"
    (ROOT / ".state").mkdir(mode=0o700, exist_ok=True)
    keys = ", ".join(gone) or "none"
    print(
        f"Nobody here can read what is encrypted in Pulumi.{stack}.yaml: previewed without ({keys}).", file=sys.stderr
    )
    return f"backend={local}"


def run(parsed: argparse.Namespace) -> int:
    """Do what the command line says."""
    if parsed.command == "setup":
        enter_environment()
        from toolchain.setup import setup

        setup()
        return 0
    if parsed.command == "version":
        print(ENGINE)
        return 0
    if parsed.command == "stacks":
        from toolchain.stack.affected import affected_since

        print(json.dumps(affected_since(ROOT, parsed.since)))
        return 0
    if parsed.command == "preview-settings":
        print(preview_settings(parsed.stack))
        return 0
    from toolchain.stack import run as runner

    if parsed.command == "env":
        print(runner.exports(ROOT))
        return 0
    rest = parsed.rest[1:] if parsed.rest[:1] == ["--"] else parsed.rest
    if parsed.command == "pulumi":
        return runner.become_pulumi(ROOT, rest)
    return runner.COMMANDS[parsed.command](parsed.project.absolute(), parsed.stack, rest)


def main() -> NoReturn:
    """Run, and show what stops it as one message."""
    try:
        code = run(arguments().parse_args())
    except ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
