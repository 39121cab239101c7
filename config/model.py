"""What all models of the settings share, and the types of their values."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


def to_kebab(name: str) -> str:
    """`backend_port` as it is written in the settings: `backend-port`."""
    return name.replace("_", "-")


class Settings(BaseModel):
    """A part of the settings: keys in kebab-case, unknown keys refused, never changed once read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_kebab, validate_by_name=False, validate_by_alias=True
    )


def matches(pattern: str, rule: str) -> AfterValidator:
    """A validator that raises `rule` (written as `rule; remedy`) where a text does not match `pattern` as a whole."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _plain_path(value: PurePosixPath) -> PurePosixPath:
    text = str(value)
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("must be an absolute path on the machine; write it from the root, as /srv/share")
    if ".." in value.parts or any(character in text for character in "\n\r\x00"):
        raise ValueError("must be a path on one line without '..'; write out where it leads")
    return value


MachinePath = Annotated[
    PurePosixPath,
    AfterValidator(_plain_path),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^/"}),
]
"""An absolute path on a machine."""

HostName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "must be small letters, digits, '-' and '.', and begin and end with a letter or a digit; rename the machine",
    ),
]
"""The name by which the settings call a machine."""

Address = Annotated[
    str,
    matches(
        r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*",
        "must be a host name or an IP address and nothing else; give port and user as keys of their own",
    ),
]
"""Where a machine is: a name or an address."""

AccountName = Annotated[
    str,
    Field(max_length=32),
    matches(
        r"[a-z_][a-z0-9_-]*",
        "must be a user name: small letters, digits, '_' and '-', not beginning with a digit; choose such a name",
    ),
]
"""The name of a user of a machine."""

ImageName = Annotated[
    str,
    matches(
        r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?/[a-z0-9._/-]+(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?",
        "must be the full name of an image, with its registry; write it as docker.io/ollama/ollama:latest",
    ),
]
"""A container image's full reference, the registry included, so that no search list of a machine decides."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

IpAddress = IPv4Address | IPv6Address
"""An address of a machine, of either version."""

HttpAddress = Annotated[
    str,
    matches(
        r"https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?",
        "must be an address of http or https without a user; write it as http://192.168.1.5:11434",
    ),
]
"""Where a server of HTTP answers; nothing secret in it."""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
"""How much a program logs."""
