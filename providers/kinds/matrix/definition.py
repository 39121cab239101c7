"""What a plugin's maubot.yaml says, held to what maubot itself can read.

Source: maubot 0.6.0, maubot/loader/meta.py and zip.py. What they do not expect there ends the upload with "internal
server error" alone: `version: 1.0` is a number to YAML, and `modules: echo` a list of four letters to maubot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

DEFINITION = "maubot.yaml"


class UnreadableDefinition(ValueError):
    """A maubot.yaml that maubot could not read: the rule that it breaks, and what to write instead."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(f"{rule}; {remedy}")
        self.rule, self.remedy = rule, remedy


@dataclass(frozen=True)
class Definition:
    """What matters of it here."""

    id: str
    version: str
    modules: tuple[str, ...]
    main_module: str
    """Where maubot looks for the main class: what is before the `/` of `main_class`, or else the last module."""
    extra_files: tuple[str, ...]


def parsed(text: bytes) -> Definition:
    """Return what a maubot.yaml says. Raises UnreadableDefinition."""
    meta = _mapping(text)
    missing = [key for key in ("id", "version", "modules", "main_class") if not meta.get(key)]
    if missing:
        raise UnreadableDefinition(f"{DEFINITION} has no {', '.join(missing)}", "add what is missing")
    modules = _texts(meta, "modules", "[echo]")
    for module in modules:
        if not re.fullmatch(r"[\w-]+([./][\w-]+)*", module):
            rule = f"{DEFINITION} has the module {module!r}, which is no name of one"
            raise UnreadableDefinition(rule, "write it as the file beside it, without .py")
    extra = _texts(meta, "extra_files", "[base-config.yaml]") if meta.get("extra_files") else ()
    for pattern in extra:
        path = PurePosixPath(pattern)
        if not pattern.strip() or path.is_absolute() or ".." in path.parts:
            rule = f"{DEFINITION} has {pattern!r} in extra_files, which leads out of the plugin's folder"
            raise UnreadableDefinition(rule, "name files in it, as templates/*.txt")
    main, _, inside = _text(meta, "main_class", "EchoBot").partition("/")
    if meta.get("maubot") is not None:
        _version(meta, "maubot")
    return Definition(
        _text(meta, "id", "org.example.echo"),
        _version(meta, "version"),
        modules,
        main.replace(".", "/") if inside else modules[-1],
        extra,
    )


def _mapping(text: bytes) -> Mapping[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = cast(Any, YAML(typ="safe", pure=True)).load(text)
    except (YAMLError, ValueError) as error:  # a text that is not UTF-8; a day that no month has
        raise UnreadableDefinition(f"{DEFINITION} is no YAML: {error}", "put the file right") from None
    except RecursionError:
        raise UnreadableDefinition(f"{DEFINITION} is nested without an end", "put the file right") from None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _text(meta: Mapping[str, Any], key: str, example: str) -> str:
    value = meta[key]
    if not isinstance(value, str):
        kind = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else f"{value}, no text"
        remedy = f"put it in quotes: {key}: '{value}'" if isinstance(value, int | float) else f"write {key}: {example}"
        raise UnreadableDefinition(f"{key} in {DEFINITION} is {kind} to YAML", remedy)
    return value


def _texts(meta: Mapping[str, Any], key: str, example: str) -> tuple[str, ...]:
    value = meta[key]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in cast(list[Any], value)):
        raise UnreadableDefinition(f"{key} in {DEFINITION} is no list of texts", f"write it as {key}: {example}")
    return tuple(cast(list[str], value))


def _version(meta: Mapping[str, Any], key: str) -> str:
    from packaging.version import InvalidVersion, Version

    value = _text(meta, key, "1.0.0")
    try:
        Version(value)
    except InvalidVersion:
        rule = f"{key} in {DEFINITION} is {value!r}, which is no version (PEP 440)"
        raise UnreadableDefinition(rule, f"write it as {key}: 1.0.0") from None
    return value
