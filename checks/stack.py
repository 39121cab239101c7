"""What a stack has deployed, and where: its outputs, and the machines that its file of settings names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from config import stack_file
from config.hosts import KEYS, Machines
from config.mistakes import WrongSettings, mistakes_of
from config.model import NAMESPACE
from config.systems import SYSTEMS
from providers.errors import HearthError

OUTPUT_SECONDS = 60


class StackUnknown(HearthError):
    """The stack can't be asked what it has deployed."""


@dataclass(frozen=True)
class DeployedStack:
    """What a stack's outputs say of each system, by key, and the machines that there are."""

    systems: Mapping[str, Any]
    machines: Machines


def machines_of(path: Path) -> Machines:
    """Return the machines in a file of settings. Raises StackUnknown, or WrongSettings with every mistake."""
    try:
        settings = stack_file.settings(path)
    except OSError as error:
        raise StackUnknown(
            f"{path.name} can't be read ({type(error).__name__}), so the machines are unknown",
            detail=str(error),
            remedy="give the name of a stack that has a file of settings: make check STACK=dev",
        ) from None
    keys = {key: settings.get(f"{NAMESPACE}:{key}") for key in KEYS}
    try:
        return Machines.from_namespace(keys)
    except ValidationError as error:
        raise WrongSettings(mistakes_of(error, NAMESPACE), path.name) from None


def outputs_of(project: Path, stack: str) -> dict[str, Any]:
    """Return the stack's outputs. Raises StackUnknown where Pulumi has none to give."""
    command = [sys.executable, "-m", "toolchain", "pulumi", "--", "stack", "output", "--json", "--stack", stack]
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=OUTPUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise StackUnknown(
            f"Pulumi did not say within {OUTPUT_SECONDS} s what the stack {stack} has deployed",
            remedy="see whether its backend can be reached: python -m toolchain pulumi -- stack ls",
        ) from None
    if done.returncode != 0:
        raise StackUnknown(
            f"Pulumi could not say what the stack {stack} has deployed",
            detail=done.stderr,
            remedy=f"make up STACK={stack}",
        )
    return cast(dict[str, Any], json.loads(done.stdout or "{}"))


def deployed(project: Path, stack: str) -> DeployedStack:
    """Return what a stack has deployed, and where."""
    machines = machines_of(project / f"Pulumi.{stack}.yaml")
    outputs = outputs_of(project, stack)
    systems = {key: outputs[key] for key in SYSTEMS if key in outputs}
    if not systems:
        raise StackUnknown(f"the stack {stack} has nothing deployed", remedy=f"make up STACK={stack}")
    return DeployedStack(systems, machines)
