"""What podmgr is given to do: a pod in its YAML, and the commands that bring it up. Pure functions.

podmgr's own repository is not at hand, so the YAML holds what the system's task list names (name, restart policy,
services with image, health, order, volumes) in the form that lab/systems/secondbrain/podmgr-stand-in/ reads.
"""

from __future__ import annotations

import hashlib
import shlex
from typing import Any

import yaml

from components.blocks.quadlet import Container, Form, Group, environment_of

FOLDER = "/opt/podmgr"
VENV = f"{FOLDER}/.venv"
POLL_SECONDS = 5
TIMED_OUT = 4
"""Exit status of a pod that is not running in time, as the task list has it."""


def pod_yaml(group: Group, health: dict[str, tuple[int, str]]) -> str:
    """Return the pod's definition. `health` gives for each container's name the port and path that answer over HTTP."""

    def service(container: Container) -> dict[str, Any]:
        port, path = health[container.name]
        found: dict[str, Any] = {
            "image": container.image,
            "ports": [str(each) for each in container.publications],
            "health": {"type": "http", "port": port, "path": path},
            "volumes": list(container.volumes),
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
    return yaml.safe_dump(definition, sort_keys=False)


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


def digest(definition: str) -> str:
    """Return what tells one definition from another.

    It stands in the scripts, so that a new definition makes the pod anew.
    """
    return hashlib.sha256(definition.encode()).hexdigest()


def apply_script(group: Group, yaml_path: str, definition: str) -> str:
    """Return a text for bash, as the account: validate, initialise, start, wait until everything is running."""
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
echo {digest(definition)} > "$stamp"
"""


def check_script(group: Group, yaml_path: str, definition: str) -> str:
    """Return whether the pod runs, and was made from this definition."""
    return f"""{_start(yaml_path)}{_all_running(group)}[ "$(cat "$stamp")" = {digest(definition)} ]
all_running
"""


def undo_script(group: Group, yaml_path: str) -> str:
    """Stop the pod and remove what podmgr made of it."""
    pod = shlex.quote(group.name)
    return f"""{_start(yaml_path)}podmgr pod stop {pod} || true
podmgr pod remove {pod}
rm -f "$stamp"
"""
