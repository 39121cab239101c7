"""Mistakes in the settings, each with the key's path, the value, the rule and the remedy; and how they are listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.model import Disagreement, Disagreements
from config.texts import without_passwords

VALUE_LIMIT = 80  # characters of a value in a message
_NO_VALUE = object()


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with the settings."""

    path: str
    """The key as it is written in the file, as `hearth:secondbrain.pod.backend-port`."""
    rule: str
    remedy: str
    value: str | None = None
    """What stands there, shortened; None where there is nothing to show, or where it must not be shown."""

    def __str__(self) -> str:
        found = "" if self.value is None else f" is {self.value}, and it"
        return f"{seen(f'{self.path}{found} {self.rule}')}\n      What to do: {seen(self.remedy)}"


class WrongSettings(ValueError):
    """The settings can't be used. `str()` of it lists every mistake; nothing has been touched."""

    def __init__(self, mistakes: Sequence[Mistake], where: str = "the settings") -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.path))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "\n".join(f"  {number}. {mistake}" for number, mistake in enumerate(self.mistakes, 1))
        super().__init__(f"{count} in {where}; nothing was touched.\n{lines}")


def seen(text: str) -> str:
    """Return a text in which what a terminal would obey, or nobody would see, is written out: a mistake shows it."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def shown(value: Any) -> str:
    """Return a value as it would be written, in one line of bearable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = str(value)
    text = without_passwords(text)
    return text if len(text) <= VALUE_LIMIT else f"{text[: VALUE_LIMIT - 1]}…"


_BUILT_IN = {
    "bool_parsing": ("must be true or false", "write one of the two, without quotes"),
    "bool_type": ("must be true or false", "write one of the two, without quotes"),
    "int_parsing": ("must be a whole number", "write it without quotes and units"),
    "int_parsing_size": ("must be a whole number that programs can count with", "choose another number"),
    "int_type": ("must be a whole number", "write it without quotes and units"),
    "int_from_float": ("must be a whole number", "write it without a fraction"),
    "finite_number": ("must be a whole number", "write its digits alone"),
    "string_too_short": ("must not be empty", "write one, or leave the key out"),
    "string_unicode": ("must be a text", "write it in letters that there are"),
    "string_type": ("must be a text", "put it in quotes"),
    "ip_any_address": ("must be an IP address", "write it as 127.0.0.1 or ::1"),
    "ip_v4_address": ("must be an IPv4 address", "write it as 127.0.0.1"),
    "ip_v6_address": ("must be an IPv6 address", "write it as ::1"),
    "dict_type": ("must be a group of keys", "indent the keys that belong to it below it"),
    "model_type": ("must be a group of keys", "indent the keys that belong to it below it"),
    "tuple_type": ("must be a list", "write it as [one, two]"),
    "list_type": ("must be a list", "write it as [one, two]"),
    "frozen_set_type": ("must be a list", "write it as [one, two]"),
    "path_type": ("must be a path", "put it in quotes"),
}


def _rule(error: ErrorDetails) -> tuple[str, str, Any]:
    """Rule, remedy and the value to show (or _NO_VALUE) of one error of pydantic's."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":  # its value may be a secret that was put in the wrong place
        return "is not a key that exists", "check the spelling, or remove it", _NO_VALUE
    if kind == "missing":
        return "is missing", "add it", _NO_VALUE
    if kind in _BUILT_IN:
        return (*_BUILT_IN[kind], value)
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        word = "least" if "ge" in context else "most"
        return f"must be at {word} {bound}", "choose another number", value
    if kind == "literal_error":
        return f"must be one of {context['expected']}", "write one of them", value
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters", "shorten it", value
    if kind == "too_short":
        return f"must have at least {context['min_length']} entry", "add one, or leave the key out", value
    if kind == "value_error":
        rule, _, remedy = str(context["error"]).partition("; ")
        return rule, remedy or "correct it", _NO_VALUE if isinstance(value, dict) else value
    return error["msg"], "correct it", value


def key_of(place: tuple[int | str, ...]) -> str:
    """Return a place in the settings as a key: `members.m1.gpus[0]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text += f".{part}" if text else part
    return text


def _below(path: str, key: str) -> str:
    return path if not key else f"{path}{key}" if key.startswith("[") else f"{path}.{key}"


def mistake_of(found: Disagreement, path: str) -> Mistake:
    """Return what a model found to disagree, as a mistake below the key `path`."""
    rule, _, remedy = found.rule.partition("; ")
    value = None if found.value is None else shown(found.value)
    return Mistake(_below(path, found.key), rule, remedy or "correct it", value)


def mistakes_of(error: ValidationError, path: str) -> list[Mistake]:
    """Return what a model found wrong, as mistakes below the key `path`."""
    found: dict[tuple[str, str], Mistake] = {}
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        if detail["type"].startswith(("ip_v4", "ip_v6")):  # a union says it once for each of its members
            location = location[:-1]
            detail["type"] = "ip_any_address"
        where = _below(path, key_of(location))
        if detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {}).get("min_length", 0):
            continue  # its entries are wrong, which is said of each
        several = detail.get("ctx", {}).get("error")
        if isinstance(several, Disagreements):
            for each in several.found:
                mistake = mistake_of(each, where)
                found.setdefault((mistake.path, mistake.rule), mistake)
            continue
        rule, remedy, value = _rule(detail)
        found.setdefault((where, rule), Mistake(where, rule, remedy, None if value is _NO_VALUE else shown(value)))
    return list(found.values())
