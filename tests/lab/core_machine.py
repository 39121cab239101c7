"""The mail assistant's folder on a lab machine with Docker, and its compose file there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
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


ASK = """\
import http.cookiejar, json, re, sys, urllib.error, urllib.parse, urllib.request as request
path, values = sys.argv[1], json.loads(sys.argv[2])
opener = request.build_opener(request.ProxyHandler({}), request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
def ask(path, data=None):
    try:
        with opener.open("http://127.0.0.1:8000" + path, data, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
status, text = ask("/config" if values else path)
if values:
    values["csrf_token"] = re.search('name="csrf_token" value="([0-9a-f]+)"', text)[1]
    status, text = ask(path, urllib.parse.urlencode(values).encode())
print(json.dumps([status, text]))
"""


def ask(machine: Machine, path: str, **values: str) -> tuple[int, str]:
    """Ask the application on its machine; with values, save them as a form does."""
    words = ["python3", "-c", ASK, path, json.dumps(values)]
    status, text = json.loads(machine.run(shlex.join(words)).stdout)
    return status, text


def saved(machine: Machine, name: str) -> str:
    """A saved setting, as the page Config shows it."""
    status, text = ask(machine, "/config")
    assert status == 200, text
    found = re.search(rf'name="{name}" type="[a-z]+" value="([^"]*)"', text)
    assert found
    return found[1]


def database_state(machine: Machine) -> str:
    status, text = ask(machine, "/health")
    return json.loads(text)["checks"]["db"] if status == 200 else f"status {status}"


def wait_for(machine: Machine, state: str, seconds: float) -> float:
    """Wait until /health says so of the database; how long it took."""
    begun = time.monotonic()
    while database_state(machine) != state:
        assert time.monotonic() - begun < seconds, f"/health did not say db: {state} within {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - begun
