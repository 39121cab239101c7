"""What the loader knows of a system: the base of all systems' settings, and a line of the table of systems.

The table itself is config/systems/__init__.py. docs/adding-a-system.md adds one, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, cast

from config.hosts import Machines
from config.model import Disagreement, Settings


@dataclass(frozen=True)
class Listener:
    """A port of a machine that a system listens on."""

    key: str
    """The setting that says which, as seen from the system: `pod.backend-port`."""
    host: str
    port: int
    addresses: Sequence[IPv4Address | IPv6Address]
    """`0.0.0.0` and `::` stand for all of their version."""
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True)
class Holding:
    """What a system has on a machine for itself alone: an account, or a path and what is below it."""

    key: str
    """The setting that says which, as seen from the system; empty where none does."""
    host: str
    what: PurePosixPath | str
    """A path; or an account's name."""


class SystemSettings(Settings):
    """The settings of one system, and what they say of it to those who know no system by name."""

    SECRETS: ClassVar[Mapping[str, str]] = {}
    """The secret keys that belong to this system -> what each is for. They stand beside the system's own key,
    encrypted, and begin with it: `core-secret-key`."""

    HOST_FIELDS: ClassVar[tuple[str, ...]] = ("host",)
    """Keys, as they are written, that name a machine of `hearth:hosts`, each one name, a list or a mapping by name."""

    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {}
    """What a secret must look like: key -> a function that raises ValueError (`rule; remedy`), never with the value."""

    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {}
    """Places in the system's key that ask for a secret -> the secret key that is there for it."""

    def against_secrets(self, given: Mapping[str, str]) -> Iterator[Disagreement]:
        """Yield what can't stand together with the secrets that are known: their keys, and rules that show none."""
        yield from ()

    def against(self, machines: Machines) -> Iterator[Disagreement]:
        """Yield what can't stand together with the machines of the stack."""
        yield from ()

    def listeners(self) -> Sequence[Listener]:
        """Return every port of a machine that the system listens on, as far as the settings tell."""
        return ()

    def holdings(self) -> Sequence[Holding]:
        """Return every account and place of a machine that the system makes, fills or removes."""
        return ()

    def required_secrets(self) -> Mapping[str, str]:
        """Return the secrets without which nothing can be deployed -> the setting that needs them, as `core.ai`."""
        return {}

    @classmethod
    def host_references(cls, written: Mapping[str, Any]) -> Mapping[str, str]:
        """Return where the settings name a machine -> the name.

        Looks at what is written, which need not be valid yet, so that a machine that is not there is said beside all
        other mistakes.
        """
        found: dict[str, str] = {}
        for field in cls.HOST_FIELDS:
            value = written.get(field)
            if isinstance(value, str):
                found[field] = value
            elif isinstance(value, list | dict):
                names = cast(list[Any] | dict[Any, Any], value)
                found |= {f"{field}.{name}": name for name in names if isinstance(name, str)}
        return found


@dataclass(frozen=True)
class System:
    """One system: its key, its settings, and the names of what lies in its rooms.

    The rooms are found by the key, and what is in them is imported only where the system is deployed or checked.
    """

    key: str
    settings: type[SystemSettings]
    component: str
    """The ComponentResource in components/<key>/component.py: `(name, SystemArgs, opts)`, with an output `deployed`."""
    preflight: str = ""
    """A function of the settings in components/<key>/preflight.py. It raises before anything is registered, in a
    preview too. Empty: there is none."""

    def load_component(self) -> Any:
        """Return the component's class."""
        return getattr(import_module(f"components.{self.key}.component"), self.component)

    def load_preflight(self) -> Callable[[Any], None] | None:
        """Return the preflight; None where there is none."""
        return getattr(import_module(f"components.{self.key}.preflight"), self.preflight) if self.preflight else None

    def load_checks(self) -> Any:
        """Return what checks/<key>/ asks: its `checks.system.SystemChecks`."""
        return import_module(f"checks.{self.key}").CHECKS
