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


def settings_of(project: Path, stack: str) -> dict[str, Any]:
    """Return the stack's settings by full key; what is encrypted is not among them.

    They stand in its file; where that names environments of Pulumi ESC, or Pulumi.yaml has settings for all stacks, the
    engine is asked for the whole. Raises StackUnknown, or WrongSettings with file, line and remedy.
    """
    path = project / f"Pulumi.{stack}.yaml"
    try:
        settings, more = stack_file.settings(path), stack_file.read(path).get("environment")
    except OSError as error:
        raise StackUnknown(
            f"{path.name} can't be read ({type(error).__name__}), so the machines are unknown",
            detail=str(error),
            remedy="give the name of a stack that has a file of settings: make check STACK=dev",
        ) from None
    whole = project / "Pulumi.yaml"
    if not more and not (whole.is_file() and stack_file.settings(whole)):
        return settings
    told = _asked(project, stack, "which settings the stack {stack} has", "config", "--json")
    entries: Mapping[str, Mapping[str, Any]] = json.loads(told or "{}")
    return {key: each.get("objectValue", each.get("value")) for key, each in entries.items() if not each.get("secret")}


def machines_of(settings: Mapping[str, Any], file: str) -> Machines:
    """Return the machines in a stack's settings. Raises WrongSettings with every mistake."""
    keys = {key: settings.get(f"{NAMESPACE}:{key}") for key in KEYS}
    try:
        return Machines.from_namespace(keys)
    except ValidationError as error:
        raise WrongSettings(mistakes_of(error, NAMESPACE), file) from None


def written_of(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what a stack's settings say of each system that they have."""
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
    told = _asked(project, stack, "what the stack {stack} has deployed", "stack", "output", "--json")
    return cast(dict[str, Any], json.loads(told or "{}"))


def _asked(project: Path, stack: str, what: str, *words: str) -> str:
    """Return what Pulumi prints. Raises StackUnknown, which says `what` it could not tell."""
    engine = [sys.executable, "-m", "toolchain", "pulumi", "--", "--cwd", str(project)]
    command = [*engine, *words, "--stack", stack]
    told = what.format(stack=stack)
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=OUTPUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise StackUnknown(
            f"Pulumi did not say within {OUTPUT_SECONDS} s {told}",
            remedy="see whether its backend can be reached: python -m toolchain pulumi -- stack ls",
        ) from None
    if done.returncode != 0:
        raise StackUnknown(f"Pulumi could not say {told}", detail=done.stderr, remedy=f"make up STACK={stack}")
    return done.stdout


def deployed(project: Path, stack: str) -> DeployedStack:
    """Return what a stack has deployed, and where."""
    settings = settings_of(project, stack)
    machines = machines_of(settings, f"Pulumi.{stack}.yaml")
    outputs = outputs_of(project, stack)
    systems = {key: outputs[key] for key in SYSTEMS if key in outputs}
    if not systems:
        raise StackUnknown(f"the stack {stack} has nothing deployed", remedy=f"make up STACK={stack}")
    return DeployedStack(systems, machines, written_of(settings))
