"""From the settings of a stack to models, or to one error that lists every mistake.

Reads the namespace `hearth` whole. A system is deployed where its key is present. Secrets are keys of their own, read
from Pulumi's encrypted settings, or from the file that `hearth:secrets-file` names: there for a lab, whose secrets are
made on the spot and have no place in a tracked file.
"""

from __future__ import annotations

import difflib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from config.hosts import KEYS as MACHINE_KEYS
from config.hosts import Machines
from config.mistakes import Mistake, WrongSettings, mistakes_of, shown
from config.system import SystemSettings
from config.systems import SYSTEMS

NAMESPACE = "hearth"
SECRETS_FILE = "secrets-file"
SECRETS: Mapping[str, str] = {key: text for system in SYSTEMS.values() for key, text in system.settings.SECRETS.items()}
"""Each secret key -> what it is for."""


@dataclass(frozen=True)
class StackSettings:
    """Everything that the settings of one stack say, checked. Secrets are apart, by key."""

    machines: Machines
    systems: Mapping[str, SystemSettings] = field(default_factory=dict[str, SystemSettings])
    """Key of each system that is deployed -> its settings, in the order of the table of systems."""
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])

    def secrets_of(self, key: str) -> Mapping[str, pulumi.Output[str]]:
        """The secrets of one system, and no other's."""
        own = SYSTEMS[key].settings.SECRETS
        return {name: value for name, value in self.secrets.items() if name in own}


@dataclass(frozen=True)
class Parsed:
    """What the plain part of the settings says, and the secret keys that are there."""

    machines: Machines
    systems: Mapping[str, SystemSettings]
    from_file: Mapping[str, str]
    """Secrets that came from the file of secrets."""
    missing: Sequence[Mistake] = ()
    """Secrets that a preview goes on without; `up` would not."""


def _object(text: Any) -> Any:
    """A structured value: Pulumi hands objects, lists, numbers and truth values over as JSON texts."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_secrets_file(path: Path) -> tuple[dict[str, str], list[Mistake]]:
    """The secrets in a JSON file of texts by key, which only its owner may read."""
    where = f"{NAMESPACE}:{SECRETS_FILE}"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            rule = f"must not be readable by others than its owner; its mode is {mode:04o}"
            return {}, [Mistake(where, rule, f"chmod 600 {path}", shown(str(path)))]
        content: Any = json.loads(path.read_text())
    except FileNotFoundError:
        remedy = "for the lab: python -m lab up (make up does it); otherwise write the file, or remove this key"
        return {}, [Mistake(where, "must be there", remedy, shown(str(path)))]
    except (OSError, ValueError) as error:
        rule = f"must be a JSON file that can be read ({type(error).__name__})"
        return {}, [Mistake(where, rule, 'write it as {"secondbrain-smb-password": "..."}', shown(str(path)))]
    entries = cast(dict[str, Any], content) if isinstance(content, dict) else {}
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in entries.values()):
        rule = "must hold one JSON object of texts"
        return {}, [Mistake(where, rule, 'write it as {"secondbrain-smb-password": "..."}', shown(str(path)))]
    unknown = [
        Mistake(f"{where} ({key})", "is not a secret that exists", "look for a slip of the pen, or remove it")
        for key in sorted(entries.keys() - SECRETS.keys())
    ]
    return {key: value for key, value in entries.items() if key in SECRETS}, unknown


def _unknown_keys(values: Mapping[str, Any]) -> list[Mistake]:
    known = [*MACHINE_KEYS, SECRETS_FILE, *SYSTEMS, *SECRETS]
    found: list[Mistake] = []
    for key in sorted(values.keys() - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        remedy = f"did you mean {NAMESPACE}:{near[0]}?" if near else f"remove it; there are {', '.join(known)}"
        found.append(Mistake(f"{NAMESPACE}:{key}", "is not a key that exists", remedy))
    return found


def _host_references(values: Mapping[str, Any]) -> list[Mistake]:
    """References to machines that are not there. Looks at what is written, so that it is said beside other mistakes."""
    hosts = _object(values.get("hosts"))
    names = {str(name) for name in cast(dict[str, Any], hosts)} if isinstance(hosts, dict) else set[str]()
    found: list[Mistake] = []
    for key, system in SYSTEMS.items():
        settings = _object(values.get(key))
        written = cast(dict[str, Any], settings) if isinstance(settings, dict) else {}
        for place, host in system.settings.host_references(written).items():
            if host not in names:
                there = ", ".join(sorted(names)) or "none yet"
                rule = f"must be a machine of {NAMESPACE}:hosts (there: {there})"
                remedy = "add it there, or correct the name"
                found.append(Mistake(f"{NAMESPACE}:{key}.{place}", rule, remedy, shown(host)))
    return found


def _missing_secrets(systems: Mapping[str, SystemSettings], available: set[str]) -> list[Mistake]:
    needed = {secret: owner for settings in systems.values() for secret, owner in settings.required_secrets().items()}
    return [
        Mistake(
            f"{NAMESPACE}:{key}",
            f"is missing; {NAMESPACE}:{owner} needs it",
            f"pulumi config set --secret {NAMESPACE}:{key}",
        )
        for key, owner in needed.items()
        if key not in available
    ]


def parse(values: Mapping[str, Any], secret_keys: set[str], project: Path, *, preview: bool = False) -> Parsed:
    """Check everything. `values` is the namespace without its prefix, `secret_keys` those kept encrypted by Pulumi.

    A preview goes on without secrets: in a pull request nobody should have them. Raises WrongSettings, which lists
    every mistake.
    """
    mistakes = _unknown_keys(values)
    machines: Machines | None = None
    try:
        machines = Machines.from_namespace(values)
    except ValidationError as error:
        mistakes += [
            Mistake(m.path.replace(f"{NAMESPACE}.", f"{NAMESPACE}:", 1), m.rule, m.remedy, m.value)
            for m in mistakes_of(error, NAMESPACE)
        ]
    systems: dict[str, SystemSettings] = {}
    for key, system in SYSTEMS.items():
        if key not in values:
            continue
        try:
            systems[key] = system.settings.model_validate(_object(values[key]))
        except ValidationError as error:
            mistakes += mistakes_of(error, f"{NAMESPACE}:{key}")
    for key in sorted(SECRETS.keys() & values.keys() - secret_keys):
        remedy = f"give the secret another value, then: pulumi config set --secret {NAMESPACE}:{key}"
        mistakes.append(Mistake(f"{NAMESPACE}:{key}", "stands in plain text, and a secret must be encrypted", remedy))
    from_file: dict[str, str] = {}
    if SECRETS_FILE in values:
        from_file, wrong = read_secrets_file(project / Path(str(values[SECRETS_FILE])).expanduser())
        mistakes += wrong
        if wrong and not from_file:
            from_file = dict.fromkeys(SECRETS, "")  # the file is the mistake; its keys are not missing besides
    mistakes += _host_references(values)
    missing = _missing_secrets(systems, (values.keys() & SECRETS.keys()) | from_file.keys())
    if not preview:
        mistakes += missing
    if mistakes or machines is None:
        raise WrongSettings(mistakes)
    return Parsed(machines, systems, from_file, missing)


def _namespace() -> tuple[dict[str, Any], set[str]]:
    """Every key of the namespace with its raw value, and the keys that are secret. Pulumi's Config can't list keys."""
    everything: dict[str, Any] = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    prefix = f"{NAMESPACE}:"
    values = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    return values, {key for key in values if runtime_config.is_config_secret(f"{prefix}{key}")}


def load(project: Path | None = None) -> StackSettings:
    """The settings of the stack that is being deployed.

    Raises pulumi.RunError, which lists every mistake, before any resource is made.
    """
    values, secret_keys = _namespace()
    try:
        parsed = parse(values, secret_keys, project or Path.cwd(), preview=pulumi.runtime.is_dry_run())
    except WrongSettings as error:
        raise pulumi.RunError(f"Pulumi.{pulumi.get_stack()}.yaml: {error}") from None
    for mistake in parsed.missing:
        pulumi.log.warn(f"{mistake.path} {mistake.rule}: `up` will stop there. What to do: {mistake.remedy}")
    config = pulumi.Config(NAMESPACE)
    secrets = {mistake.path.removeprefix(f"{NAMESPACE}:"): pulumi.Output.secret("") for mistake in parsed.missing}
    secrets |= {key: pulumi.Output.secret(value) for key, value in parsed.from_file.items()}
    secrets |= {key: config.require_secret(key) for key in SECRETS if key in values}
    return StackSettings(parsed.machines, parsed.systems, secrets)
