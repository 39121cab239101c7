"""What is known of the LXD cluster's settings while some of them are wrong, for the rules between parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from config.model import Settings
from config.right_parts import is_whole
from config.systems.lxd import parts

if TYPE_CHECKING:
    from config.systems.lxd import Lxd

Place = tuple[int | str, ...]
Found = Iterator[tuple[Place, str]]
"""(place, `rule; remedy`) of each mistake."""


class Known:
    """The parts of the settings that are right by themselves, by name."""

    def __init__(self, settings: Lxd) -> None:
        self._settings = settings
        given = settings.__dict__
        groups = {name: cast(Mapping[str, Any], part) for name, part in given.items() if isinstance(part, Mapping)}
        right = {
            name: {key: entry for key, entry in group.items() if is_whole(entry)} for name, group in groups.items()
        }
        self.members: dict[str, parts.Member] = right.get("members", {})
        self.bridges: dict[str, parts.Bridge] = right.get("bridges", {})
        self.pools: dict[str, parts.Pool] = right.get("pools", {})
        self.networks: dict[str, parts.Network] = right.get("networks", {})
        self.groups: dict[str, tuple[str, ...]] = right.get("groups", {})
        self.images: dict[str, parts.Image] = right.get("images", {})
        self.profiles: dict[str, parts.Profile] = right.get("profiles", {})
        self.instances: dict[str, parts.Instance] = right.get("instances", {})
        single: dict[str, Any] = {
            name: part for name, part in given.items() if isinstance(part, Settings) and is_whole(part)
        }
        self.overlay: parts.Overlay | None = single.get("overlay")
        self.dns: parts.Dns | None = single.get("dns")
        self.environment: parts.Environment | None = single.get("environment")
        # What is there and wrong in itself has a name all the same: a reference to it is no mistake besides.
        self.names = {name: [*group] for name, group in groups.items()}

    def value_at(self, place: Place) -> Any:
        """Return what stands at a place, for a message; None where that is a part of its own, or nothing."""
        value: Any = self._settings
        for key in place:
            if isinstance(value, Settings):
                value = value.__dict__.get(str(key).replace("-", "_"))
            elif isinstance(value, Mapping):
                value = cast(Mapping[Any, Any], value).get(key)
            else:
                value = cast(tuple[Any, ...], value)[key] if isinstance(key, int) else None
        return None if isinstance(value, Settings | Mapping) else value

    def has(self, group: str, name: str) -> bool:
        """Return whether there is such an entry, right or wrong; also where it can't be known."""
        return group not in self.names or name in self.names[group]

    def listed(self, group: str) -> str:
        """Return the names of a group, for a message."""
        return ", ".join(self.names[group]) or "none yet"
