"""The settings that a user may change on the page Config: their names, and what each may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit


def _text(value: str) -> str:
    return value


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise ValueError("is no address: check the port and the brackets, as in http://ollama:11434") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address of http or https, as http://ollama:11434")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password: it is shown on this page")
    if parts.query or parts.fragment or any(character.isspace() for character in value) or port == 0:
        raise ValueError("must be a plain address without blanks, '?' or '#', as http://ollama:11434")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", host):
        raise ValueError("names a host with characters that no host name has")
    return value.rstrip("/")


def _date(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a date, written as 2026-12-24")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("is a day that the calendar does not have") from None


def _model(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:-]*", value):
        raise ValueError("must be a model's name, as llama3.2:1b")
    return value


def _list(value: str) -> str:
    """Parts between commas, each once, however they were written."""
    parts = {part.casefold(): part for part in reversed([" ".join(part.split()) for part in value.split(",")]) if part}
    if not parts:
        raise ValueError("must name something between its commas, as electronics, clothing, bikes")
    return ",".join(reversed(parts.values()))


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[^@\s,;<>\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise ValueError("must be one mail address, as you@example.org")
    return value


@dataclass(frozen=True)
class KnownSetting:
    """A setting, how a form asks for it, and what it may be."""

    key: str
    label: str
    help: str
    check: Callable[[str], str]
    """Returns the value as it is stored. Raises ValueError with the end of a sentence that begins with the label."""
    longest: int
    input_type: str = "text"
    placeholder: str = ""
    service: str | None = None
    """The service that the setting belongs to: its group on the page, and its "Test connection"."""

    def checked(self, value: str) -> str | None:
        """Return the value to store; None for an empty one, which clears the setting.

        Raises ValueError with a sentence.
        """
        value = value.strip()
        if not value:
            return None
        if len(value) > self.longest:
            raise ValueError(f"{self.label} is too long: {len(value)} characters, and {self.longest} are allowed.")
        if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
            raise ValueError(f"{self.label} must be one line without control characters.")
        if any(0xD800 <= ord(character) < 0xE000 for character in value):
            raise ValueError(f"{self.label} holds half a character: type it again.")
        try:
            return self.check(value)
        except ValueError as error:
            raise ValueError(f"{self.label} {error}.") from None


KNOWN: tuple[KnownSetting, ...] = (
    KnownSetting(
        "llm_endpoint",
        "LLM endpoint",
        "Where Ollama answers. Empty: the address in OLLAMA_BASE_URL.",
        _endpoint,
        2048,
        "url",
        "http://ollama:11434",
        "llm",
    ),
    KnownSetting("llm_model", "Model", "The model to use. Empty: none yet.", _model, 200, "text", "llama3.2:1b", "llm"),
    KnownSetting(
        "mail_address",
        "Mail address",
        "The mailbox that the assistant reads.",
        _mail_address,
        254,
        "email",
        "you@example.org",
        "mail",
    ),
    KnownSetting("event_name", "Event name", "What the assistant prepares for.", _text, 120, "text", "Our conference"),
    KnownSetting("event_date", "Event date", "The day it takes place.", _date, 10, "date"),
    KnownSetting(
        "event_location",
        "Event location",
        "The venue's name and address.",
        _text,
        200,
        "text",
        "Wijkcentrum De Brug, Amsterdam",
    ),
    KnownSetting(
        "event_offerings",
        "Event offerings",
        "What is repaired or offered there, between commas.",
        _list,
        500,
        "text",
        "electronics, clothing, bikes",
    ),
)
BY_KEY: Mapping[str, KnownSetting] = {known.key: known for known in KNOWN}


class WrongValues(ValueError):
    """Values that can't be stored: a sentence for each key. Nothing was stored."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def check_all(values: Mapping[str, str]) -> dict[str, str | None]:
    """Return every value as it is stored. Raises WrongValues with every mistake at once."""
    errors: dict[str, str] = {}
    checked: dict[str, str | None] = {}
    for key, value in values.items():
        if key not in BY_KEY:
            errors[key] = f"There is no setting “{key[:80]}”. The settings are {', '.join(BY_KEY)}."
            continue
        try:
            checked[key] = BY_KEY[key].checked(value)
        except ValueError as error:
            errors[key] = str(error)
    if errors:
        raise WrongValues(errors)
    return checked
