"""What a visitor may send, and the message for each thing that can't be used."""

from __future__ import annotations

import re
import unicodedata
import uuid
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StrictBool, StrictStr

LONGEST_TITLE = 200  # characters, as all of these
LONGEST_NOTES = 5000
LONGEST_SENTENCE = 2000
LONGEST_SEARCH = 200
LONGEST_EMAIL = 254
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL = re.compile(r"""[^@\s<>()\[\]\\,;:"]+@[^@\s<>()\[\]\\,;:"]+\.[^@\s<>()\[\]\\,;:".]+""")


def _without_controls(value: str, allowed: str = "") -> str:
    for character in value:
        # Cc: control characters. Cs: halves of a character, which no database keeps.
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed:
            raise ValueError("This holds characters that can't be kept.")
    return value


def clean_title(value: str) -> str:
    """Return a title: one line, not empty. Raises ValueError with the message for its field."""
    value = _without_controls(value.strip())
    if not value:
        raise ValueError("A todo needs a title.")
    if len(value) > LONGEST_TITLE:
        raise ValueError(f"A title may have {LONGEST_TITLE} characters; this one has {len(value)}.")
    return value


def clean_notes(value: str) -> str:
    """Note: any lines. Raises ValueError with the message for its field."""
    value = _without_controls(value.replace("\r\n", "\n").replace("\r", "\n"), "\n\t").strip()
    if len(value) > LONGEST_NOTES:
        raise ValueError(f"Notes may have {LONGEST_NOTES} characters; these have {len(value)}.")
    return value


def read_day(value: Any) -> date | None:
    """Return a day as YYYY-MM-DD; None or nothing for no day. Raises ValueError with the message for its field."""
    if value is None or isinstance(value, date) or value == "":
        return value or None
    rule = "A day is written as 2026-12-24."
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(rule)
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"There is no such day. {rule}") from None
    if not 1900 <= day.year <= 2999:
        raise ValueError("The year has to be one from 1900 to 2999.")
    return day


def normal_email(value: str) -> str:
    """Return an address as it is kept: in lowercase letters. Its two spellings in Unicode are one."""
    return unicodedata.normalize("NFC", value.strip()).lower()


def _email(value: str) -> str:
    value = _without_controls(normal_email(value))
    if len(value) > LONGEST_EMAIL or not _EMAIL.fullmatch(value):
        raise ValueError("This is no email address.")
    return value


def _password(value: str) -> str:
    if len(value) < SHORTEST_PASSWORD:
        raise ValueError(f"A password needs at least {SHORTEST_PASSWORD} characters.")
    return _known_password(value)


def _known_password(value: str) -> str:
    if len(value) > LONGEST_PASSWORD:
        raise ValueError(f"A password may have {LONGEST_PASSWORD} characters.")
    return value


def _known_email(value: str) -> str:
    if len(value) > 2 * LONGEST_EMAIL:
        raise ValueError("This is no email address.")
    return _without_controls(normal_email(value))


def _sentence(value: str) -> str:
    value = _without_controls(value.replace("\r", "\n").strip(), "\n\t")
    if not value:
        raise ValueError("Write what is to be done.")
    if len(value) > LONGEST_SENTENCE:
        raise ValueError(f"This may have {LONGEST_SENTENCE} characters; it has {len(value)}.")
    return value


def _search(value: str) -> str:
    if len(value) > LONGEST_SEARCH:
        raise ValueError(f"A search may have {LONGEST_SEARCH} characters.")
    return _without_controls(value.strip())


def _anchor(value: Any) -> uuid.UUID | None:
    if value is None:
        return None
    found = todo_id(value)
    if found is None:
        raise ValueError("This has to be the id of a todo, or null for the first place.")
    return found


def todo_id(value: Any) -> uuid.UUID | None:
    """Return a todo's id; None for what can't be one."""
    try:
        return uuid.UUID(value) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None


Title = Annotated[StrictStr, AfterValidator(clean_title)]
Notes = Annotated[StrictStr, AfterValidator(clean_notes), BeforeValidator(lambda value: "" if value is None else value)]
Day = Annotated[date | None, BeforeValidator(read_day)]
Search = Annotated[str, AfterValidator(_search)]
Status = Literal["all", "open", "done"]
Due = Literal["any", "overdue", "today", "week", "none"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Registration(_Input):
    email: Annotated[StrictStr, AfterValidator(_email)]
    password: Annotated[StrictStr, AfterValidator(_password)]


class SignIn(_Input):
    """No rule of a registration is told here: what no account can have is a wrong address or password."""

    email: Annotated[StrictStr, AfterValidator(_known_email)]
    password: Annotated[StrictStr, AfterValidator(_known_password)]


class NewTodo(_Input):
    title: Title
    notes: Notes = ""
    due: Day = None


class TodoChanges(_Input):
    """What is not given stays as it is."""

    title: Title = ""
    notes: Notes = ""
    due: Day = None
    done: StrictBool = False


class Move(_Input):
    after: Annotated[uuid.UUID | None, BeforeValidator(_anchor)]


class Sentence(_Input):
    text: Annotated[StrictStr, AfterValidator(_sentence)]
    today: Day = None
    """The visitor's own day, which at night is not the server's."""
