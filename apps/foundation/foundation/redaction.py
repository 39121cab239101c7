"""Keeps secrets out of what is logged: by the names of fields, and inside texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SENSITIVE = ("token", "secret", "password", "key", "credential")
"""A field whose name contains one of these, in lowercase letters or capitals, never shows its value."""
DEEPEST = 32
"""Deeper than this a structure is cut off: it may contain itself."""
SHORTEST = 4
"""A shorter secret is not looked for inside texts: it would blacken every second word."""

_words = "token|secret|passw(?:or)?d|passphrase|pwd|key|credential"
_URL_PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://[^\s/:@]*):\S*@", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rf"""([\w.-]*(?:{_words})[\w.-]*\\?["']?\s*[:=]\s*)(\\?"[^"]*"|\\?'[^']*'|[^\s,;&)}}\]]+)""", re.IGNORECASE
)
_AUTHORIZATION = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)


def is_sensitive(name: str) -> bool:
    """Return whether a field of that name holds a secret."""
    lowered = name.lower()
    return any(word in lowered for word in SENSITIVE)


class Redactor:
    """Redacts by names, by patterns, and by the very values of known secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= SHORTEST:
                # As it may stand in a URL, and in the repr of a text.
                forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}
        # The longest first: one secret may begin with another.
        self._values = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without known secrets, passwords in URLs, and values that are given to a sensitive name."""
        for value in self._values:
            text = text.replace(value, REDACTED)
        text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
        text = _AUTHORIZATION.sub(rf"\1 {REDACTED}", text)
        return _ASSIGNMENT.sub(rf"\1{REDACTED}", text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return the same for a value of any kind, at every depth. What is no plain value becomes its text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST:
            return "[too deep]"
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.field(str(key), inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner, depth + 1) for inner in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode(errors="replace"))
        return self.text(str(value) if isinstance(value, BaseException) else repr(value))

    def field(self, name: str, value: Any, depth: int = 0) -> Any:
        """Return a field's value, by its name too."""
        return REDACTED if is_sensitive(name) and value is not None else self.value(value, depth)
