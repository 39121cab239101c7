"""A pod's definition: the YAML that Hearth writes, read and checked."""

import json
import re


class WrongDefinition(ValueError):
    """A definition that can't be used; its text says why."""


def _scalar(text):
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _double_quoted(text)
    return int(text) if re.fullmatch("[0-9]+", text) else text


# What YAML escapes and JSON does not, or otherwise.
_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "v": "\v",
    "e": "\x1b",
    " ": " ",
    "_": "\xa0",
    "N": "\x85",
    "L": "\u2028",
    "P": "\u2029",
}


def _double_quoted(text):
    def plain(found):
        letter, digits = found[1], found[2]
        value = chr(int(digits, 16)) if digits else _ESCAPES.get(letter)
        return found[0] if value is None else json.dumps(value)[1:-1]

    return json.loads(
        re.sub(r"\\(?:([^xUu])|[xUu]((?<=x)[0-9A-F]{2}|(?<=u)[0-9A-F]{4}|(?<=U)[0-9A-F]{8}))", plain, text)
    )


def parse(text):
    """Plain block YAML: mappings, lists of scalars, scalars."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    value, rest = _block(lines, 0)
    if rest:
        raise WrongDefinition(f"not understood: {rest[0].strip()!r}")
    return value


def _indent(line):
    return len(line) - len(line.lstrip(" "))


def _block(lines, indent):
    if lines and lines[0].lstrip().startswith("- "):
        items = []
        while lines and _indent(lines[0]) == indent and lines[0].lstrip().startswith("- "):
            items.append(_scalar(lines.pop(0).lstrip()[2:]))
        return items, lines
    found = {}
    while lines and _indent(lines[0]) == indent:
        key, colon, rest = lines.pop(0).strip().partition(":")
        if not colon:
            raise WrongDefinition(f"not understood: {key!r}")
        if rest.strip():
            found[_scalar(key)] = _scalar(rest)
        elif lines and (_indent(lines[0]) > indent or lines[0].lstrip().startswith("- ")):
            found[_scalar(key)], lines = _block(lines, _indent(lines[0]))
        else:
            found[_scalar(key)] = {}
    return found, lines


def validated(text):
    """Return the definition as a mapping. Raises WrongDefinition."""
    found = parse(text)
    for key in ("name", "restart_policy", "services"):
        if not isinstance(found, dict) or key not in found:
            raise WrongDefinition(f"{key} is missing")
    for name, service in found["services"].items():
        for key in ("image", "health"):
            if key not in service:
                raise WrongDefinition(f"services.{name}.{key} is missing")
        health = service["health"]
        asked = {"http": isinstance(health.get("port"), int), "command": isinstance(health.get("command"), str)}
        if not asked.get(health.get("type")):
            raise WrongDefinition(
                f"services.{name}.health must be of type http, with a port, or command, with a command"
            )
        for other in service.get("depends_on", []):
            if other not in found["services"]:
                raise WrongDefinition(f"services.{name}.depends_on names {other}, which is no service")
    return found
