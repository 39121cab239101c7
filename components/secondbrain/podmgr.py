"""What podmgr is given to do: a pod in its YAML, and the commands that bring it up. Pure functions.

podmgr's own repository is not at hand, so the YAML holds what the system's task list names (name, restart policy,
services with image, health, order, volumes) in the form that lab/systems/secondbrain/podmgr-stand-in/ reads.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from components.blocks.quadlet import Container, Form, Group, environment_of

FOLDER = "/opt/podmgr"
VENV = f"{FOLDER}/.venv"
POLL_SECONDS = 5
TIMED_OUT = 4
"""Exit status of a pod that is not running in time, as the task list has it."""


@dataclass(frozen=True)
class HttpHealth:
    """A container is healthy where `http://127.0.0.1:PORT PATH` answers 2xx or 3xx."""

    port: int
    path: str


@dataclass(frozen=True)
class CommandHealth:
    """A container is healthy where this shell command, run inside of it, ends with 0."""

    command: str


def pod_yaml(group: Group, health: Mapping[str, HttpHealth | CommandHealth]) -> str:
    """Return the pod's definition. `health` says of each container, by its name, how it is asked."""

    def asked(container: Container) -> dict[str, Any]:
        match health[container.name]:
            case HttpHealth(port, path):
                return {"type": "http", "port": port, "path": path}
            case CommandHealth(command):
                return {"type": "command", "command": command}

    def service(container: Container) -> dict[str, Any]:
        found: dict[str, Any] = {
            "image": container.image,
            "ports": [str(each) for each in container.publications],
            "health": asked(container),
            "volumes": list(container.volumes),
            "groups": list(container.groups),
            "depends_on": [_short(name, group) for name in container.after],
            "environment": environment_of(container, Form.POD),
            "environment_file": container.environment_file,
        }
        return {key: value for key, value in found.items() if value}

    definition = {
        "name": group.name,
        "restart_policy": "always",
        "services": {_short(container.name, group): service(container) for container in group.containers},
    }
    # A value stays on its line, however long it is.
    return yaml.safe_dump(definition, sort_keys=False, width=float("inf"))


def _short(name: str, group: Group) -> str:
    return name.removeprefix(f"{group.name}-")


def _start(yaml_path: str) -> str:
    return f"""\
set -euo pipefail
file={shlex.quote(yaml_path)}
stamp=$HOME/.podmgr-initialised
source {VENV}/bin/activate
"""


def _all_running(group: Group) -> str:
    """Return a shell function `all_running`: success where podmgr says of every container that it is running."""
    names = " ".join(shlex.quote(_short(container.name, group)) for container in group.containers)
    return f"""\
all_running() {{
  local said name
  said=$(podmgr pod status {shlex.quote(group.name)}) || return 1
  for name in {names}; do
    grep -E "(^|[^a-z])$name([^a-z]|$)" <<<"$said" | grep -qw running || return 1
  done
}}
"""


def digest(definition: str, *started_from: str) -> str:
    """Return what tells one pod from another: its definition, and what its containers are started from beside it.

    It stands in the scripts, so that another one makes the pod anew. `started_from`: ids of images, secrets.
    """
    whole = hashlib.sha256()
    for part in (definition, *started_from):
        whole.update(hashlib.sha256(part.encode()).digest())
    return whole.hexdigest()


def apply_script(group: Group, yaml_path: str, mark: str) -> str:
    """Return a text for bash, as the account: validate, initialise, start, wait until everything is running.

    `mark` is the pod's digest, and is written down once all of it runs.
    """
    pod = shlex.quote(group.name)
    return f"""{_start(yaml_path)}{_all_running(group)}podmgr --version
podmgr config validate "$file"
podmgr pod init "$file"
podmgr pod start {pod}
waited=0
until all_running; do
  if [ "$waited" -ge {group.start_timeout} ]; then
    echo "not running after {group.start_timeout} s:" >&2
    podmgr pod status {pod} >&2 || true
    journalctl --user --no-pager --lines=12 >&2 || true
    exit {TIMED_OUT}
  fi
  sleep {POLL_SECONDS}
  waited=$((waited + {POLL_SECONDS}))
done
echo {shlex.quote(mark)} > "$stamp"
"""


def check_script(group: Group, yaml_path: str, mark: str) -> str:
    """Return whether the pod runs, and is the one of this mark."""
    return f"""{_start(yaml_path)}{_all_running(group)}[ "$(cat "$stamp")" = {shlex.quote(mark)} ]
all_running
"""


def undo_script(group: Group, yaml_path: str) -> str:
    """Stop the pod and remove what podmgr made of it."""
    pod = shlex.quote(group.name)
    return f"""{_start(yaml_path)}podmgr pod stop {pod} || true
podmgr pod remove {pod}
rm -f "$stamp"
"""
