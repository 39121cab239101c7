"""What all models of the settings share, and the types of their values.

A rule that a kind of the provider has too is one function, here or beside (config/accounts.py, config/places.py), which
the kind imports: so what a kind would refuse on the machine is refused before any connection.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.accounts import LoginName as AccountName
from config.places import MachinePath

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


class Disagreements(ValueError):
    """All of a model's at once: pydantic ends at the first error that a validator raises."""

    def __init__(self, found: Sequence[Disagreement]) -> None:
        self.found = tuple(found)
        super().__init__("\n".join(f"{each.key}: {each.rule}" if each.key else each.rule for each in found))


def _of_numbers(annotation: Any) -> bool:
    """Return whether a field holds whole numbers, by themselves or in a list, and no truth values."""
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple, list, frozenset):
        return any(_of_numbers(part) for part in get_args(annotation))
    return annotation is int


class Settings(BaseModel):
    """A part of the settings: keys in kebab-case, unknown keys refused, never changed once read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_kebab, validate_by_name=False, validate_by_alias=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _a_truth_value_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `port: true`, which would be port 1: for Python, true is a number."""
        if isinstance(value, bool) and _of_numbers(cls.model_fields[info.field_name or ""].annotation):
            raise ValueError("must be a whole number; write one, without quotes")
        return value

    def disagreements(self) -> Iterator[Disagreement]:
        """Yield what can't stand together in this model, where each value by itself is right."""
        yield from ()

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


NO_CONTROL = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*"
"""A text on one line that no terminal and no parser takes for more than text."""

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def host_address(value: str) -> str:
    """Return a host name or an IP address, and nothing else: no port, no user, no brackets. Raises ValueError."""
    rule = "must be a host name or an IP address and nothing else; give port and user as keys of their own"
    if ":" in value:
        try:
            address = IPv6Address(value)
        except ValueError:
            raise ValueError(rule) from None
        if address.scope_id is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", address.scope_id):
            raise ValueError(rule)
        _one_machine(address)
        return value
    if len(value) > 253 or not _HOST.fullmatch(value):
        raise ValueError(rule)
    if re.fullmatch(r"[0-9.]+", value):
        try:
            address = IPv4Address(value)
        except ValueError:
            raise ValueError("must be an IP address of four numbers up to 255; write it as 192.168.1.5") from None
        _one_machine(address)
    return value


def _one_machine(address: IPv4Address | IPv6Address) -> None:
    """Raise ValueError for an address at which no one machine is: every address, a group of machines, none at all."""
    if address.is_unspecified or address.is_multicast or (address.version == 4 and address.is_reserved):
        raise ValueError("must be the address of one machine, and this one is no machine's; write its own")


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

Address = Annotated[str, AfterValidator(host_address)]
"""Where a machine is: a name or an address."""

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


def image_reference(value: str) -> str:
    """Return a container image's full reference, by the grammar of distribution/reference. Raises ValueError.

    The registry is told from a folder as podman and Docker do it: it has a dot or a port, or is `localhost`.
    """
    found = _IMAGE.fullmatch(value)
    known = found and (
        any(mark in found["registry"] for mark in ".[") or found["port"] is not None or found["registry"] == "localhost"
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


def socket_address(value: str) -> str:
    """Return a host, and a port behind a colon where it has one; an IPv6 address in brackets. Raises ValueError."""
    found = re.fullmatch(r"(\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+))(:(?P<port>[0-9]{1,5}))?", value)
    rule = "must be an address, with its port behind a colon where it has one; write it as 192.168.49.2:80"
    if found is None or (found["six"] and ":" not in found["six"]) or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError(rule)
    host_address(found["six"] or found["host"])
    return value


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a list that names each thing once. Raises ValueError."""
    if twice := list(dict.fromkeys(str(value) for value in values if values.count(value) > 1)):
        raise ValueError(f"must name each once, and {', '.join(twice)} stands there twice; remove one of them")
    return values


def _written_address(value: Any) -> Any:
    """Python would take a number for an address, and true for 0.0.0.1."""
    if not isinstance(value, str | IPv4Address | IPv6Address):
        raise ValueError("must be an IP address; write it in quotes, as '127.0.0.1'")
    return value


def _publishable(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if getattr(value, "scope_id", None) is not None or getattr(value, "ipv4_mapped", None) is not None:
        raise ValueError("must be an address without a zone; write the address alone")
    if (
        value.is_multicast
        or (value.version == 4 and value.is_reserved)
        or (not value.is_unspecified and value in _THIS_NETWORK)
    ):
        raise ValueError("must be an address that a machine can have; write one of its own, or 0.0.0.0 for all")
    return value


class _Network:
    """0.0.0.0/8 but for its first address, which stands for all."""

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        return address.version == 4 and int(address) >> 24 == 0


_THIS_NETWORK = _Network()
IpAddress = Annotated[IPv4Address | IPv6Address, BeforeValidator(_written_address), AfterValidator(_publishable)]
"""An address of a machine, of either version, to publish on."""


def overlap(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> bool:
    """Return whether a port on both addresses of a machine would be one port twice: `0.0.0.0` is all of its version."""
    return one == other or (one.version == other.version and (one.is_unspecified or other.is_unspecified))


def _apart(addresses: tuple[Any, ...]) -> tuple[Any, ...]:
    for position, address in enumerate(addresses):
        for other in addresses[:position]:
            if overlap(address, other):
                raise ValueError(f"must not overlap, and {other} and {address} do; remove one of them")
    return addresses


IpAddresses = Annotated[tuple[IpAddress, ...], AfterValidator(_apart)]
"""Addresses of one machine to publish a port on."""


def _http_address(value: str) -> str:
    rule = "must be an address of http or https without a user; write it as http://192.168.1.5:11434"
    if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?", value):
        raise ValueError(rule)
    parts = urlsplit(value)
    try:
        host_address(parts.hostname or "")
        right = parts.port is None or parts.port > 0
    except ValueError:
        right = False
    if not right:
        raise ValueError(rule)
    return value


HttpAddress = Annotated[str, AfterValidator(_http_address)]
"""Where a server of HTTP answers; nothing secret in it."""

Line = Annotated[
    str,
    matches(
        rf"(?! )(?=.){NO_CONTROL}(?<! )",
        "must be one line without control characters and without blanks at its ends; correct it",
    ),
]
"""A text on one line, that is not empty."""
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
"""How much a program logs."""
