"""What a stack has deployed, and where: its outputs, and the machines that its file of settings names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Key of each system -> what its file of settings says of it, unchecked."""


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


def written_of(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return what a file of settings says of each system that it has."""
    settings = stack_file.settings(path)
    found: dict[str, Mapping[str, Any]] = {}
    for key in SYSTEMS:
        value = settings.get(f"{NAMESPACE}:{key}")
        if isinstance(value, str):
            # As `pulumi config set` writes it.
            try:
                value = json.loads(value)
            except ValueError:
                continue
        if isinstance(value, dict):
            found[key] = cast(dict[str, Any], value)
    return found


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
    path = project / f"Pulumi.{stack}.yaml"
    machines = machines_of(path)
    outputs = outputs_of(project, stack)
    systems = {key: outputs[key] for key in SYSTEMS if key in outputs}
    if not systems:
        raise StackUnknown(f"the stack {stack} has nothing deployed", remedy=f"make up STACK={stack}")
    return DeployedStack(systems, machines, written_of(path))
