"""The machines: `hearth:hosts`, `hearth:lost` and `hearth:ssh-config`.

The program reads these keys to check references to machines, and the provider `hearth` reads the same keys to connect:
Pulumi hands the project's namespace to the provider of the same name, each value as a JSON text. Nothing here is
secret: keys and passwords stay with the user's own SSH configuration and agent.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from config.accounts import LoginName
from config.addresses import Address
from config.model import HostName, Port, Settings
from config.own_files import OwnFile
from config.places import LONGEST
from toolchain.addresses import canonical

SSH_PORT = 22
KEYS = ("hosts", "lost", "ssh-config")
"""The keys of the namespace `hearth` that are about machines."""


def _interpreter(value: str) -> str:
    known = re.fullmatch(r"(/[A-Za-z0-9._+-]+)+|[A-Za-z][A-Za-z0-9._+-]*", value)
    if not known or len(value) > LONGEST or any(part in (".", "..") or len(part) > 255 for part in value.split("/")):
        raise ValueError("must be the name or the path of a Python interpreter; write it as /usr/bin/python3")
    return value


class Host(Settings):
    """One machine, reached over SSH. What is not given here is as the SSH configuration says."""

    address: Address | None = Field(
        default=None,
        description="Name or IP address. Without it: the machine's own name, as the SSH configuration knows it.",
    )
    port: Port | None = Field(
        default=None, description="Port of its SSH server. Without it: as the SSH configuration says, else 22."
    )
    user: LoginName | None = Field(
        default=None, description="User to log in as. Without it: as the SSH configuration says, else root."
    )
    python: Annotated[str, AfterValidator(_interpreter)] = Field(
        default="python3", description="The machine's own Python, 3.8 or later, that carries out the work there."
    )
    sudo: bool | None = Field(
        default=None,
        description="Whether to become root by `sudo -n`. Without it: where the user who logs in is not root.",
    )

    def needs_sudo(self, login: str) -> bool:
        """Return whether work on the machine goes through sudo, where `login` is the user who has logged in."""
        return login != "root" if self.sudo is None else self.sudo


def _empty_is_default(value: Any) -> Any:
    """Give a machine that is named without anything else (`brain:` alone in YAML) every default."""
    return {} if value is None else value


class Machines(Settings):
    """Every machine that the settings name, and how to reach them."""

    hosts: dict[HostName, Annotated[Host, BeforeValidator(_empty_is_default)]] = Field(
        description="The machines, by name."
    )
    lost: frozenset[Address] = Field(
        default=frozenset(),
        description="Addresses of machines that are gone for good: destroy and replacement do not wait for them.",
    )
    ssh_config: OwnFile = Field(
        default=Path("~/.ssh/config"),
        description="An OpenSSH client configuration. A relative path starts at the project's folder.",
    )

    def ssh_config_file(self, project: Path | None = None) -> Path:
        """Where the SSH configuration is, `~` and a path relative to `project` (or the current folder) worked out."""
        return (project or Path.cwd()) / self.ssh_config.expanduser()

    def address(self, name: str) -> str:
        """Return what to connect to for the machine `name`: its address, else its name."""
        return self.hosts[name].address or name

    def login(self, name: str) -> str | None:
        """Return who logs in on the machine `name`; None where the SSH configuration says it, and not the settings."""
        host = self.hosts.get(name)
        return host.user if host else None

    def same_machine(self, one: str, other: str) -> bool:
        """Return whether two names are one machine: the same name, or the same address and port."""
        known = [self.hosts.get(name) for name in (one, other)]
        places = [
            (canonical(self.address(name)), host.port or SSH_PORT) if host else name
            for name, host in zip((one, other), known, strict=True)
        ]
        return one == other or places[0] == places[1]

    def is_lost(self, address: str) -> bool:
        """Return whether the machine at an address is gone for good, however the address is written."""
        return canonical(address) in {canonical(each) for each in self.lost}

    @classmethod
    def from_namespace(cls, values: Mapping[str, Any]) -> Machines:
        """Read the namespace `hearth` as the engine hands it to a provider: objects and lists are JSON texts.

        Keys of other purposes are left alone. Raises pydantic's ValidationError; config.mistakes lists what it holds.
        """
        return cls.model_validate(_written(values))

    @classmethod
    def right_part(cls, values: Mapping[str, Any]) -> Machines:
        """Return the machines of the namespace that are right, where `from_namespace` refuses the whole."""
        hosts: Any = _written(values)["hosts"]
        known: dict[str, Host] = {}
        for name, host in cast(dict[Any, Any], hosts).items() if isinstance(hosts, dict) else ():
            with contextlib.suppress(ValidationError):
                known |= cls.model_validate({"hosts": {name: host}}).hosts
        return cls(hosts=known)


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys about machines, as they are written."""
    known: dict[str, Any] = {"hosts": {}}
    for key in KEYS:
        value = values.get(key)
        if key != "ssh-config" and isinstance(value, str):
            with contextlib.suppress(ValueError):  # left as it is: the model says what it ought to be
                value = json.loads(value)
        if value is not None:
            known[key] = value
    return known
