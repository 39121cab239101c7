"""From the settings of a stack to models, or to one error that lists every mistake.

Reads the namespace `hearth` whole. A system is deployed where its key is present. Secrets are keys of their own, read
from Pulumi's encrypted settings, or from the file that `hearth:secrets-file` names: there for a lab, whose secrets are
made on the spot and have no place in a tracked file.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from config import secrets_file, stack_file
from config.hosts import KEYS as MACHINE_KEYS
from config.hosts import Machines
from config.mistakes import Mistake, WrongSettings, mistakes_of, shown
from config.model import NAMESPACE, where_known
from config.own_files import own_file
from config.relations import relations
from config.right_parts import disagreements_in, right_parts
from config.secret_keys import SECRETS, SECRETS_FILE, in_the_open, wrong_secrets
from config.system import SystemSettings
from config.systems import SYSTEMS

GOING_DOWN = "HEARTH_GOING_DOWN"
"""Set by `make down` for the program: it needs no secrets and no right settings, as nothing is made."""


@dataclass(frozen=True)
class StackSettings:
    """Everything that the settings of one stack say, checked. Secrets are apart, by key."""

    machines: Machines
    systems: Mapping[str, SystemSettings] = field(default_factory=dict[str, SystemSettings])
    """Key of each system that is deployed -> its settings, in the order of the table of systems."""
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])

    def secrets_of(self, key: str) -> Mapping[str, pulumi.Output[str]]:
        """Return the secrets of one system, and no other's."""
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
    absent_file: Mistake | None = None
    """The file of secrets, where a preview goes on without it."""


def _object(text: Any) -> Any:
    """Read a structured value: Pulumi hands objects, lists, numbers and truth values over as JSON texts."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unknown_keys(values: Mapping[str, Any]) -> list[Mistake]:
    known = [*MACHINE_KEYS, SECRETS_FILE, *SYSTEMS, *SECRETS]
    found: list[Mistake] = []
    for key in sorted(values.keys() - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        remedy = f"did you mean {NAMESPACE}:{near[0]}?" if near else f"remove it; there are {', '.join(known)}"
        found.append(Mistake(f"{NAMESPACE}:{key}", "is not a key that exists", remedy))
    return found


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{8,} [+-][0-9]{4} \S+")
"""How the engine writes what YAML takes for a date: Go's time.Time.String()."""


_EXACT = 2**53
"""Whole numbers up to this one are told apart where numbers are floating (IEEE 754), as on their way to providers."""


def _misread(value: Any, place: str) -> Iterator[Mistake]:
    """Yield what arrives as another value than was written: a text that was taken for a date, a number too large."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        yield Mistake(place, "was taken for a date by YAML, which arrives as another text", "put it in quotes")
    elif isinstance(value, int | float) and not -_EXACT <= value <= _EXACT:
        rule = f"must be a number of at most {_EXACT}, as larger ones arrive as other numbers"
        yield Mistake(place, rule, "write a smaller one, or put it in quotes", shown(value))
    elif isinstance(value, dict):
        for key, inner in cast(dict[Any, Any], value).items():
            yield from _misread(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(cast(list[Any], value)):
            yield from _misread(inner, f"{place}[{position}]")


def _host_references(values: Mapping[str, Any]) -> list[Mistake]:
    """Refuse references to machines that are not there; what is written is read, so that it is said with the rest."""
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
    needed = {
        secret: owner
        for settings in systems.values()
        for known in where_known(settings.required_secrets)
        for secret, owner in known.items()
    }
    return [
        Mistake(
            f"{NAMESPACE}:{key}",
            f"is missing; {NAMESPACE}:{owner} needs it",
            f"pulumi config set --secret {NAMESPACE}:{key}",
        )
        for key, owner in needed.items()
        if key not in available
    ]


def parse(
    values: Mapping[str, Any],
    secret_keys: set[str],
    project: Path,
    *,
    preview: bool = False,
    given: Mapping[str, Sequence[str]] | None = None,
) -> Parsed:
    """Check everything.

    `values` is the namespace without its prefix, `secret_keys` those kept encrypted by Pulumi, and `given` the
    encrypted places within each, as `stack_file.encrypted_places` tells them.

    A preview goes on without secrets: in a pull request nobody should have them. Raises WrongSettings, which lists
    every mistake.
    """
    mistakes = _unknown_keys(values)
    try:
        machines = Machines.from_namespace(values)
    except ValidationError as error:
        mistakes += [
            Mistake(m.path.replace(f"{NAMESPACE}.", f"{NAMESPACE}:", 1), m.rule, m.remedy, m.value)
            for m in mistakes_of(error, NAMESPACE)
        ]
        machines = Machines.right_part(values)
    # What is right of a system whose settings are wrong somewhere, so that all that is wrong is said at once.
    systems: dict[str, SystemSettings] = {}
    for key, system in SYSTEMS.items():
        if key not in values:
            continue
        where, written = f"{NAMESPACE}:{key}", _object(values[key])
        try:
            systems[key] = system.settings.model_validate(written)
        except ValidationError as error:
            mistakes += mistakes_of(error, where)
            if known := right_parts(system.settings, written):
                systems[key] = known
                mistakes += disagreements_in(known, where)
    # What is encrypted must not be shown, whatever else is wrong with it.
    hidden = tuple(f"{NAMESPACE}:{key}" for key in secret_keys)
    mistakes = [replace(m, value=None) if re.split(r"[.\[ ]", m.path)[0] in hidden else m for m in mistakes]
    plain = {key: _object(value) for key, value in values.items() if key not in secret_keys}
    said = {mistake.path for mistake in mistakes}
    misread = [mistake for key, value in plain.items() for mistake in _misread(value, f"{NAMESPACE}:{key}")]
    mistakes += [mistake for mistake in misread if mistake.path not in said]
    mistakes += in_the_open(values, secret_keys, given or {})
    for key in sorted(SECRETS.keys() & values.keys() - secret_keys):
        remedy = f"give the secret another value, then: pulumi config set --secret {NAMESPACE}:{key}"
        mistakes.append(Mistake(f"{NAMESPACE}:{key}", "is in plain text, and a secret must be encrypted", remedy))
    from_file, wrong, absent = _from_file(values, project, preview=preview)
    mistakes += wrong
    mistakes += wrong_secrets(values, from_file, systems)
    mistakes += _host_references(values)
    mistakes += relations(systems, machines)
    file_is_the_mistake = bool(wrong) and not from_file  # its keys are not missing besides
    available = (values.keys() & SECRETS.keys()) | (SECRETS.keys() if file_is_the_mistake else from_file.keys())
    missing = _missing_secrets(systems, available)
    if not preview:
        mistakes += missing
    if mistakes:
        raise WrongSettings(list(dict.fromkeys(mistakes)))
    return Parsed(machines, systems, from_file, missing, absent)


def _from_file(
    values: Mapping[str, Any], project: Path, *, preview: bool
) -> tuple[dict[str, str], list[Mistake], Mistake | None]:
    """Return the secrets of the file, what is wrong with it, and the file where it may be missing and is."""
    if SECRETS_FILE not in values:
        return {}, [], None
    where, name = f"{NAMESPACE}:{SECRETS_FILE}", values[SECRETS_FILE]
    try:
        if not isinstance(name, str):
            raise ValueError
        path = project / Path(own_file(name)).expanduser()
    except (ValueError, RuntimeError):  # RuntimeError: the home of a user who does not exist
        return (
            {},
            [Mistake(where, "must be the path of a file", "write it as ~/hearth-secrets.json", shown(name))],
            None,
        )
    found, wrong, is_there = secrets_file.read(path, where, SECRETS)
    if preview and not is_there:
        return {}, [], wrong[0]
    return found, wrong, None


def _namespace() -> tuple[dict[str, Any], set[str]]:
    """Return every key of the namespace with its raw value, and the keys that are secret.

    Pulumi's Config can't list keys.
    """
    everything: dict[str, Any] = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    prefix = f"{NAMESPACE}:"
    values = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    return values, {key for key in values if runtime_config.is_config_secret(f"{prefix}{key}")}


def load(project: Path | None = None) -> StackSettings:
    """Return the settings of the stack that is being deployed.

    Raises pulumi.RunError, which lists every mistake, before any resource is made.
    """
    values, secret_keys = _namespace()
    folder, stack = project or Path.cwd(), pulumi.get_stack()
    going = bool(os.environ.get(GOING_DOWN))
    if not values and not going:
        # An empty file, or `confg:` for `config:`: all that there is would count as wished away.
        raise pulumi.RunError(
            f"Pulumi.{stack}.yaml has no key that begins with {NAMESPACE}:, so everything that the stack has would be "
            "removed, its data too; nothing was touched.\n"
            "What to do: bring the file back, as from git, with `config:` at its head. To remove everything: "
            f"make down STACK={stack}"
        )
    given = stack_file.encrypted_places(folder / f"Pulumi.{stack}.yaml", NAMESPACE)
    try:
        parsed = parse(values, secret_keys, folder, preview=pulumi.runtime.is_dry_run() or going, given=given)
    except WrongSettings as error:
        if going:
            # What is to go is in the state: mistakes in settings that are given up must not keep it there.
            pulumi.log.warn(f"Pulumi.{stack}.yaml: {error}\nIt is taken down all the same, by what the state says.")
            return StackSettings(Machines(hosts={}))
        raise pulumi.RunError(f"Pulumi.{stack}.yaml: {error}") from None
    if going:
        pass  # nothing is made, so nothing is missing
    elif parsed.absent_file:
        lacking = ", ".join(mistake.path for mistake in parsed.missing) or "none that is needed"
        pulumi.log.warn(f"{parsed.absent_file}\n      This preview goes on: the secrets in it are unknown ({lacking}).")
    else:
        for mistake in parsed.missing:
            pulumi.log.warn(f"{mistake.path} {mistake.rule}: `up` will stop there. What to do: {mistake.remedy}")
    config = pulumi.Config(NAMESPACE)
    secrets = {mistake.path.removeprefix(f"{NAMESPACE}:"): _unknown_secret() for mistake in parsed.missing}
    secrets |= {key: pulumi.Output.secret(value) for key, value in parsed.from_file.items()}
    secrets |= {key: config.require_secret(key) for key in SECRETS if key in values}
    return StackSettings(parsed.machines, parsed.systems, secrets)


def _unknown_secret() -> pulumi.Output[str]:
    """Return a secret whose value nobody knows in this preview.

    What is made of it shows as unknown, and never as empty.
    """

    def settled(value: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_event_loop().create_future()
        future.set_result(value)
        return future

    nobody: set[pulumi.Resource] = set()
    return pulumi.Output(nobody, settled(pulumi.UNKNOWN), settled(False), settled(True))
