"""Patterns of paths below a folder, as `.gitignore` has them, and rules that give what they match a mode or owner.

Without a slash a pattern is of names at any depth (`*.key`); with one it is of a path from the folder on (`bin/*`);
with one at its end it is of folders (`cache/`). `*` and `?` do not match a slash, `**` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PIECE = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def _piece(text: str) -> str:
    match text:
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "/.+"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(text) > 2 and text.startswith("["):
            inner = text[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            return f"(?!/)[^{inner[1:]}]" if inner.startswith("!") else f"(?!/)[{inner}]"
        case _:
            return re.escape(text)


def expression(pattern: str) -> str:
    """Write a regular expression for whole paths; that of a folder ends with a slash."""
    body = pattern.rstrip("/")
    anchored = "/" in body
    start = "" if anchored else "(?:.*/)?"
    pieces = "".join(_piece(found.group()) for found in _PIECE.finditer(body.removeprefix("/")))
    return f"(?s:{start}{pieces}{'/' if pattern.endswith('/') else ''})"


def plain(pattern: str) -> str:
    """Return `pattern`, if it is one. ValueError with the rule otherwise."""
    parts = pattern.strip("/").split("/")
    if not pattern.strip("/") or ".." in parts or "" in parts or "." in parts or re.search(r"[\x00\n]", pattern):
        raise ValueError(
            f"{pattern!r} is no pattern: must be a name or a path below the folder, as '*.key', 'bin/*' or 'cache/',"
            " without '..'"
        )
    try:
        re.compile(expression(pattern))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}; write a bracket of its own as '[[]'") from None
    return pattern


class Patterns:
    """Several patterns, any of which may match."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.expressions = [expression(each) for each in patterns]
        self._compiled = [re.compile(each) for each in self.expressions]

    def match(self, path: str, *, folder: bool) -> bool:
        """Tell whether one of them is of `path`, which does not end with a slash."""
        forms = (path, f"{path}/") if folder else (path,)
        return any(each.fullmatch(form) for each in self._compiled for form in forms)


@dataclass(frozen=True)
class Look:
    """What a file or folder is to have; None where nothing is said of it."""

    mode: str | None = None
    owner: str | None = None
    group: str | None = None


class Rules:
    """Rules in their order: of those that match, the last that speaks of a property decides it."""

    def __init__(self, rules: Sequence[Mapping[str, str]], files: Look, folders: Look) -> None:
        """`files` and `folders` are what holds where no rule says anything."""
        self._base = {False: files, True: folders}
        self._rules = [(re.compile(expression(rule["pattern"])), rule) for rule in rules]

    def look(self, path: str) -> Look:
        """Return what `path` is to have; that of a folder ends with a slash."""
        base = self._base[path.endswith("/")]
        found = {"mode": base.mode, "owner": base.owner, "group": base.group}
        for compiled, rule in self._rules:
            if compiled.fullmatch(path) or compiled.fullmatch(path.rstrip("/")):
                # A mode that is meant for files would close a folder.
                said = {"pattern"} if rule["pattern"].endswith("/") == path.endswith("/") else {"pattern", "mode"}
                found.update({name: value for name, value in rule.items() if name not in said})
        return Look(**found)
