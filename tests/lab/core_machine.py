"""The mail assistant's folder on a lab machine with Docker, and its compose file there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from components.core_stack_scripts import CONTEXT_PARTS
from config.core_compose import COMPOSE_FILE
from lab import Machine

FOLDER = "/root/mail-assistant"
URL = "http://127.0.0.1:8000"
PARTS = ("compose.yaml", "compose.override.example.yaml", ".env.example", *CONTEXT_PARTS)


def send(machine: Machine) -> None:
    """Copy there what a person would have checked out."""
    tar = ["tar", "--create", "--exclude=__pycache__", "--directory", str(COMPOSE_FILE.parent), *PARTS]
    content = subprocess.run(tar, capture_output=True, check=True).stdout
    machine.run(f"mkdir -p {FOLDER} && tar --extract --directory {FOLDER}", stdin=content)


def compose(machine: Machine, words: str, *, check: bool = True, timeout: float = 590) -> str:
    """Run docker compose there; what it said."""
    return machine.run(f"cd {FOLDER} && docker compose {words} 2>&1", check=check, timeout=timeout).stdout


def load(machine: Machine, rate: int, flag: str, path: str = "", seconds: float = 0) -> dict[str, Any]:
    """Ask so often until `flag` is gone on the machine, or for so long; what came back, by core_load.py."""
    machine.write("/root/core_load.py", Path(__file__).with_name("core_load.py").read_text())
    machine.run(f"touch {flag}")
    if seconds:
        machine.run(f"(sleep {seconds}; rm -f {flag}) >/dev/null 2>&1 &")
    command = f"python3 /root/core_load.py {URL} {rate} {flag} {path}"
    return dict(json.loads(machine.run(command, timeout=590).stdout))
