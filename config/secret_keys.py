"""The secret keys of a stack: which there are, what of them stands in the open, what would break its use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.mistakes import Mistake
from config.model import NAMESPACE, until_unknown
from config.system import SystemSettings
from config.systems import SYSTEMS

SECRETS_FILE = "secrets-file"
SECRETS: Mapping[str, str] = {key: text for system in SYSTEMS.values() for key, text in system.settings.SECRETS.items()}
"""Each secret key -> what it is for."""


def in_the_open(values: Mapping[str, Any], secret_keys: set[str], given: Mapping[str, Sequence[str]]) -> list[Mistake]:
    """Refuse keys that hold something encrypted and are written out in plain text.

    They would be so in the state, and in files of machines.

    `given` are the encrypted places of the stack's file by key, where it could be read. No value is shown.
    """
    found: list[Mistake] = []
    for key in sorted((values.keys() & secret_keys) - SECRETS.keys()):
        where, own = f"{NAMESPACE}:{key}", SYSTEMS[key].settings if key in SYSTEMS else None
        rule = "is encrypted, and what stands in this key is written in plain text into the state and into files"
        for place in given.get(key) or [""]:
            path = f"{where}{'' if place.startswith('[') or not place else '.'}{place}"
            remedy = f"pulumi config rm --path '{path}'"
            if own is None:
                remedy = f"{remedy}, then set it without --secret: it is nothing secret"
            else:
                # The key for that very place, where there is one; else all of the system's.
                fitting = [name for part, name in own.SECRETS_INSTEAD.items() if place.startswith(part)]
                names = fitting or list(own.SECRETS)
                keys = " or ".join(f"{NAMESPACE}:{name}" for name in names)
                remedy = f"{remedy}, then put it where it stays secret: pulumi config set --secret {keys}"
            found.append(Mistake(path, rule, remedy))
    return found


def _where(key: str, values: Mapping[str, Any]) -> str:
    return f"{NAMESPACE}:{key}" if key in values else f"{NAMESPACE}:{SECRETS_FILE} ({key})"


def wrong_secrets(
    values: Mapping[str, Any], from_file: Mapping[str, str], systems: Mapping[str, SystemSettings]
) -> list[Mistake]:
    """Refuse secrets that would break what they are for. No value is shown."""
    rules = {key: rule for system in SYSTEMS.values() for key, rule in system.settings.SECRET_RULES.items()}
    found: list[Mistake] = []
    for key, check in rules.items():
        value = values.get(key, from_file.get(key))
        if not isinstance(value, str):
            continue
        try:
            check(value)
        except ValueError as error:
            rule, _, remedy = str(error).partition("; ")
            found.append(Mistake(_where(key, values), rule, remedy))
    known = {**from_file, **{key: value for key, value in values.items() if isinstance(value, str)}}
    for settings in systems.values():
        own = {key: known[key] for key in settings.SECRETS if key in known}
        for each in until_unknown(settings.against_secrets(own)):
            rule, _, remedy = each.rule.partition("; ")
            found.append(Mistake(_where(each.key, values), rule, remedy))
    return found
