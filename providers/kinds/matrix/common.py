"""What the resources of Matrix have in common: the types of their inputs, and where maubot's configuration is."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from providers.kind import AbsolutePath

CONFIG_FILE = "/var/lib/maubot/config/config.yaml"
LARGEST_ARCHIVE = 100 * 1024 * 1024
"""Bytes of a plugin; maubot's own web server takes no more in a request (maubot/server.py)."""


def _user_id(value: str) -> str:
    if not re.fullmatch(r"@[a-z0-9._=/+-]+:[A-Za-z0-9.:\[\]-]+", value) or len(value) > 255:
        raise ValueError("must be a Matrix user id; write it as @echo-bot:example.org")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("must be a homeserver's address without a path; write it as http://127.0.0.1:8008")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must hold scheme, host and port alone; write it as http://127.0.0.1:8008")
    if parts.hostname == "localhost":
        raise ValueError("must not be localhost, which is ::1 on some machines; write 127.0.0.1")
    return value.rstrip("/")


UserId = Annotated[str, AfterValidator(_user_id)]
"""A Matrix user id, as `@echo-bot:example.org`."""
HomeserverAddress = Annotated[str, AfterValidator(_address)]
"""Where a homeserver is, as the machine sees it."""
ConfigFile = Annotated[
    AbsolutePath,
    Field(
        description="maubot's own configuration on the machine: where it listens, and the key by which it lets us in."
        " A change replaces the resource."
    ),
]


def identified(config_file: str, name: str) -> str:
    """Return the id behind `machine/` of what maubot keeps."""
    return f"{config_file.removeprefix('/')}#{name}"


def parsed(identity: str) -> tuple[str, str]:
    """Return the configuration file and the name in an id. Raises ValueError."""
    path, mark, name = identity.rpartition("#")
    if not mark:
        raise ValueError("the id is MACHINE/PATH-OF-CONFIG#NAME")
    return f"/{path}", name
