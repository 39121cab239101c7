"""The file of a stack, Pulumi.<stack>.yaml, where somebody other than Pulumi reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from config.mistakes import Mistake, WrongSettings

LARGEST = 4 * 1024 * 1024
"""Bytes."""


class _AsTheEngine(yaml.SafeLoader):
    """Reads plain words as Pulumi's engine does, which is YAML 1.2 but for 010 (8): `on` and `1:20` are texts there.

    PyYAML's own is YAML 1.1, and would take a machine called `no` for a truth value.
    """


_AsTheEngine.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    cast(Any, _AsTheEngine).add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), ["" if each == "\0" else each for each in _first]
    )


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    """Say it in one line, without the text around it: that may be a secret."""
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    return ", ".join(str(part) for part in parts if part) or getattr(error, "reason", "") or type(error).__name__


def _remedy(problem: str) -> str:
    if "\\t" in problem or "tab" in problem:
        return "indent with blanks: YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return "put a text with ': ' in quotes, and see that the line is not indented too far"
    if "alias" in problem or "anchor" in problem or "'*'" in problem or "'@'" in problem or "'%'" in problem:
        return "put a text that begins with * & @ % ! or ` in quotes"
    if "end of stream" in problem or "quoted scalar" in problem:
        return "close the quote or the bracket that is open there"
    return "correct that line: keys of one group are indented alike, lists begin with '- ', and quotes come in pairs"


def read(path: Path) -> dict[str, Any]:
    """Return the content of a stack's file.

    Raises WrongSettings with file, line and remedy; OSError where there is none.
    """

    def wrong(where: str, rule: str, remedy: str) -> WrongSettings:
        return WrongSettings([Mistake(where, rule, remedy)], path.name)

    try:
        content: Any = yaml.load(path.read_text(), _AsTheEngine)  # a SafeLoader
    except yaml.YAMLError as error:
        problem = _problem(error)
        raise wrong(f"{path.name}{_where(error)}", f"is no YAML: {problem}", _remedy(problem)) from None
    except UnicodeDecodeError:
        raise wrong(path.name, "is no text in UTF-8", "save it in that encoding") from None
    except (RecursionError, ValueError) as error:  # ValueError: `!!int x`
        rule = (
            "is nested too deeply"
            if isinstance(error, RecursionError)
            else f"holds a value that YAML can't read ({error})"
        )
        raise wrong(
            path.name, rule, "write it as the examples Pulumi.dev.yaml and Pulumi.prod.yaml are written"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise wrong(path.name, "must be a group of keys", "begin it with `config:`, as Pulumi.prod.yaml does")
    return cast(dict[str, Any], content)


def settings(path: Path) -> dict[str, Any]:
    """Return what stands below `config` in a stack's file, by full key. Raises as `read` does."""
    found = read(path).get("config")
    if found is not None and not isinstance(found, dict):
        rule, remedy = "must be a group of keys", "indent the keys that belong to it below it, as hearth:hosts:"
        raise WrongSettings([Mistake("config", rule, remedy)], path.name)
    return cast(dict[str, Any], found or {})


def _encrypted(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        entries = cast(dict[Any, Any], value)
        if list(entries) == ["secure"]:
            yield path
            return
        for key, inner in entries.items():
            yield from _encrypted(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for position, inner in enumerate(cast(list[Any], value)):
            yield from _encrypted(inner, f"{path}[{position}]")


def encrypted_places(path: Path, namespace: str) -> Mapping[str, Sequence[str]]:
    """Return where a stack's file holds something encrypted.

    They are the key without its namespace -> paths below it, in Pulumi's form.

    To say in an error where to look: a file that can't be read has none.
    """
    try:
        found = settings(path)
    except (OSError, WrongSettings):
        return {}
    prefix = f"{namespace}:"
    places = {
        key.removeprefix(prefix): list(_encrypted(value, ""))
        for key, value in found.items()
        if str(key).startswith(prefix)
    }
    return {key: paths for key, paths in places.items() if paths}
