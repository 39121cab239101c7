"""What is known of the LXD cluster's settings while some of them are wrong, for the rules between parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from config.systems.lxd import parts

Place = tuple[int | str, ...]
Found = Iterator[tuple[Place, str]]
"""(place, `rule; remedy`) of each mistake."""


class Known:
    """The parts of the settings that are right by themselves, by name."""

    def __init__(self, values: Mapping[str, Any], names: Mapping[str, Collection[str]]) -> None:
        self.members: dict[str, parts.Member] = values.get("members") or {}
        self.bridges: dict[str, parts.Bridge] = values.get("bridges") or {}
        self.pools: dict[str, parts.Pool] = values.get("pools") or {}
        self.networks: dict[str, parts.Network] = values.get("networks") or {}
        self.groups: dict[str, tuple[str, ...]] = values.get("groups") or {}
        self.images: dict[str, parts.Image] = values.get("images") or {}
        self.profiles: dict[str, parts.Profile] = values.get("profiles") or {}
        self.instances: dict[str, parts.Instance] = values.get("instances") or {}
        self.overlay: parts.Overlay | None = values.get("overlay")
        self.dns: parts.Dns | None = values.get("dns")
        self.environment: parts.Environment | None = values.get("environment")
        # What is there and wrong in itself has a name all the same: a reference to it is no mistake besides.
        self.names = {group: [*names[group]] for group in names}

    def has(self, group: str, name: str) -> bool:
        """Return whether there is such an entry, right or wrong; also where it can't be known."""
        return group not in self.names or name in self.names[group]

    def listed(self, group: str) -> str:
        """Return the names of a group, for a message."""
        return ", ".join(self.names[group]) or "none yet"
