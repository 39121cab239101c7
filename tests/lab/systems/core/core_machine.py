"""The mail assistant's folder on a lab machine with Docker, and its compose file there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from components.blocks.build_context import MAIL_ASSISTANT
from lab import Machine

APPS = "/root/apps"
FOLDER = f"{APPS}/mail-assistant"
URL = "http://127.0.0.1:8000"
ACCESS_PASSWORD = "canary-access-password"
"""What core_visitor.py and core_load.py give."""
COMPOSE = ("compose.yaml", "compose.override.example.yaml", ".env.example")
PARTS = (*(f"mail-assistant/{name}" for name in COMPOSE), *MAIL_ASSISTANT.parts)


def send(machine: Machine) -> None:
    """Copy there what a person would have checked out."""
    tar = ["tar", "--create", "--exclude=__pycache__", "--directory", str(MAIL_ASSISTANT.folder), *PARTS]
    content = subprocess.run(tar, capture_output=True, check=True).stdout
    machine.run(f"mkdir -p {APPS} && tar --extract --directory {APPS}", stdin=content)
    for name in ("core_load.py", "core_visitor.py"):
        machine.write(f"/root/{name}", Path(__file__).with_name(name).read_text())


def compose(machine: Machine, words: str, *, check: bool = True, timeout: float = 590) -> str:
    """Run docker compose there; what it said."""
    return machine.run(f"cd {FOLDER} && docker compose {words} 2>&1", check=check, timeout=timeout).stdout


def load(machine: Machine, rate: int, path: str, seconds: float) -> dict[str, Any]:
    """Ask a path so often, for so many seconds; what came back, by core_load.py."""
    flag = "/root/load.flag"
    machine.run(f"touch {flag}; (sleep {seconds}; rm -f {flag}) >/dev/null 2>&1 &")
    command = f"python3 /root/core_load.py {URL} {rate} {flag} {path}"
    return dict(json.loads(machine.run(command, timeout=590).stdout))


def visitor(machine: Machine, *words: object, timeout: float = 180) -> str:
    """Run core_visitor.py there."""
    return machine.run(shlex.join(["python3", "/root/core_visitor.py", *map(str, words)]), timeout=timeout).stdout


def ask(machine: Machine, path: str, **values: str) -> tuple[int, str]:
    """Ask the application on its machine; with values, save them as a form does."""
    status, text = json.loads(visitor(machine, "ask", path, json.dumps(values)))
    return status, text


def saved(machine: Machine, name: str) -> str:
    """Return a saved setting, as the page Config shows it."""
    status, text = ask(machine, "/config")
    assert status == 200, text
    found = re.search(rf'name="{name}" type="[a-z]+" value="([^"]*)"', text)
    assert found
    return found[1]


def version(machine: Machine) -> str:
    """Return the major version of the component's database, as its server says."""
    query = "psql -U mail_assistant -d mail_assistant -Atc 'SHOW server_version'"
    return machine.run(f"docker exec mail-assistant-postgres {query}").stdout.partition(".")[0]


def wait_for(machine: Machine, state: str, seconds: float) -> float:
    """Wait until /health says so of the database; how long it took."""
    return float(visitor(machine, "wait", state, seconds, timeout=seconds + 60))
