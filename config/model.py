"""What all models of the settings share, and the types of their values.

A rule that a kind of the provider has too is one function, here or beside (config/accounts.py, config/places.py), which
the kind imports: so what a kind would refuse on the machine is refused before any connection.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.accounts import LoginName as AccountName
from config.addresses import host_address
from config.places import MachinePath
from config.texts import UNSEEN

__all__ = ["AccountName", "MachinePath"]  # they are asked for here by those who write models


NAMESPACE = "hearth"
"""What every key of ours in a stack's file begins with."""


def to_kebab(name: str) -> str:
    """Return `backend_port` as it is written in the settings: `backend-port`."""
    return name.replace("_", "-")


@dataclass(frozen=True)
class Disagreement:
    """Two settings, each right by itself, that can't stand together."""

    key: str
    """The one to change, as seen from the model: `share.mount-point`; empty for the model itself."""
    rule: str
    """Written as `rule; remedy`."""
    value: Any = None


Rules = Sequence[Callable[[], Iterator[Disagreement]]]
"""Rules between values, one function each, which yields where it is broken."""


class Disagreements(ValueError):
    """All of a model's at once: pydantic ends at the first error that a validator raises."""

    def __init__(self, found: Sequence[Disagreement]) -> None:
        self.found = tuple(found)
        super().__init__("\n".join(f"{each.key}: {each.rule}" if each.key else each.rule for each in found))


Told = TypeVar("Told")


class NotKnown(AttributeError):
    """A part of settings that are wrong somewhere, and it is that part (config/right_parts.py)."""


def until_unknown(found: Iterable[Told]) -> Iterator[Told]:
    """Yield what can be told without parts that are wrong: their own mistake is said already."""
    with suppress(NotKnown):
        yield from found


def where_known(*parts: Callable[[], Told]) -> list[Told]:
    """Return those of several that can be told without parts that are wrong."""
    found: list[Told] = []
    for part in parts:
        with suppress(NotKnown):
            found.append(part())
    return found


@functools.cache
def _takes(model: type[BaseModel], field: str) -> tuple[bool, bool]:
    """Return whether a field of a model takes whole numbers, and whether truth values. Each value is asked for it."""
    annotation = model.model_fields[field].annotation
    return _holds(int, annotation), _holds(bool, annotation)


def _holds(kind: type, annotation: Any) -> bool:
    """Return whether a field holds values of a type, by themselves or in a list."""
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple, list, frozenset):
        return any(_holds(kind, part) for part in get_args(annotation))
    return annotation is kind


_NUMBER, _NEARLY = re.compile("-?(0|[1-9][0-9]*)"), re.compile(r"\s*[+-]?[0-9][0-9_.]*\s*")
"""What is a number in each version of YAML, and what in some is one, or another: 010 is 8 there."""
_TRUTH = ("true", "false", "yes", "no", "on", "off")
"""What YAML 1.1 and 1.2 write for a truth value, and a reader of the other version takes for a text."""


class Settings(BaseModel):
    """A part of the settings: keys in kebab-case, unknown keys refused, never changed once read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_kebab,
        validate_by_name=False,
        validate_by_alias=True,
        # Most stacks have one system or two; what validates the others' settings is never made.
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _a_number_is_no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what Python would take for another type: `port: true` (1), `ai: 1`, `port: '08_0'` (80)."""
        whole_number, truth = _takes(cls, info.field_name or "")
        if whole_number:
            if isinstance(value, bool):
                raise ValueError("must be a whole number; write one, without quotes")
            if isinstance(value, str) and _NEARLY.fullmatch(value) and not _NUMBER.fullmatch(value):
                raise ValueError("must be a whole number; write its digits alone, without quotes and units")
        if truth and not isinstance(value, bool | None) and str(value).lower() not in _TRUTH:
            raise ValueError("must be true or false; write one of the two, without quotes")
        return value

    def rules(self) -> Rules:
        """Return the rules between the values of this model, one function each, which yields where it is broken.

        They are asked although other values are wrong; a rule about one of those says nothing.
        """
        return ()

    def disagreements(self) -> Iterator[Disagreement]:
        """Yield what can't stand together in this model, where each value by itself is right."""
        for rule in self.rules():
            yield from until_unknown(rule())

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise NotKnown(name)
            return super().__getattr__(name)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if found := list(self.disagreements()):
            raise Disagreements(found)
        return self


def matches(pattern: str, rule: str) -> AfterValidator:
    """Return a validator that raises `rule` where a text does not match `pattern` as a whole.

    `rule` is written as `rule; remedy`.
    """
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


NO_CONTROL = rf"[^{UNSEEN}]*"
"""A text on one line that is what it looks like, for people, terminals and parsers."""

HostName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*",
        "must be letters, digits, '-', '_' and '.', each part beginning and ending with a letter or a digit; "
        "rename the machine",
    ),
]
"""The name by which the settings call a machine. It is its address too, where none is given."""

ContainerName = Annotated[
    str,
    Field(max_length=128),
    matches(
        r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        "must be letters, digits, '_', '.' and '-', and begin with a letter or a digit; choose such a name",
    ),
]
"""The name of a container that is there, as podman and Docker take them."""

NamePrefix = Annotated[
    str,
    Field(max_length=32),
    matches(
        r"[a-z0-9]+((_|__|-+)[a-z0-9]+)*",
        "must be lowercase letters and digits, with single '_' or with '-' between them; choose such a name",
    ),
]
"""What names of containers, volumes, images and units begin with: right in each of them."""

_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?P<registry>\[[0-9a-f:]+\]|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*)"
    rf"(:(?P<port>[0-9]{{1,5}}))?(?P<path>(/{_PART})+)(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
)


def _is_a_host(registry: str) -> bool:
    try:
        host_address(registry.strip("[]"))
    except ValueError:
        return False
    return True


def image_reference(value: str) -> str:
    """Return a container image's full reference, by the grammar of distribution/reference. Raises ValueError.

    The registry is told from a folder as podman and Docker do it: it has a dot or a port, or is `localhost`.
    """
    found = _IMAGE.fullmatch(value)
    known = (
        found
        and (
            any(mark in found["registry"] for mark in ".[")
            or found["port"] is not None
            or found["registry"] == "localhost"
        )
        and _is_a_host(found["registry"])
    )
    if not found or not known or int(found["port"] or 1) not in range(1, 65536) or len(found["path"]) > 255:
        raise ValueError(
            "must be the full name of an image, with its registry; write it as docker.io/ollama/ollama:latest"
        )
    return value


ImageName = Annotated[str, AfterValidator(image_reference)]
"""A container image's full reference, the registry included, so that no search list of a machine decides."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""
LOWEST_FREE_PORT = 1024
"""ip(7): below it a port is root's."""
UnprivilegedPort = Annotated[int, Field(ge=LOWEST_FREE_PORT, le=65535)]
"""A port that an account without rights may listen on."""


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a list that names each thing once. Raises ValueError."""
    if twice := list(dict.fromkeys(str(value) for value in values if values.count(value) > 1)):
        raise ValueError(f"must name each once, and {', '.join(twice)} stands there twice; remove one of them")
    return values


LARGEST_SIZE = 2**63 - 1
"""Bytes: what a signed number of 64 bits holds, as LXD, Kubernetes and file systems count."""
_SIZE_UNITS = {
    f"{letter}{form}": base ** (power + 1)
    for power, letter in enumerate("KMGTPE")
    for form, base in (("i", 1024), ("iB", 1024), ("B", 1000))
}


def fits_64_bits(value: str) -> str:
    """Return a size (digits, and a unit as Mi, GiB or GB) that programs can count in bytes. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)([A-Za-z]+)", value)
    if found and len(found[1]) < 30 and int(found[1]) * _SIZE_UNITS.get(found[2], 1) <= LARGEST_SIZE:
        return value
    raise ValueError(f"must be at most {LARGEST_SIZE} bytes, as programs count them in 64 bits; write a smaller size")


Line = Annotated[
    str,
    Field(max_length=1024),
    matches(
        rf"(?!\s)(?=.){NO_CONTROL}(?<!\s)",
        "must be one line without control or unseen characters and without blanks at its ends; correct it",
    ),
]
"""A text on one line, that is not empty."""
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
"""How much a program logs."""
