"""The instance's settings, checked: a wrong one is an error that names it, not a bot that is silent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


class WrongSetting(ValueError):
    """A setting that can't be used: value and rule."""


@dataclasses.dataclass(frozen=True)
class Settings:
    enabled: bool
    room_subscriptions: frozenset[str]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings in an instance's config. Raises WrongSetting for the first that is wrong."""
        enabled, rooms = config["enabled"], config["room_subscriptions"]
        if not isinstance(enabled, bool):
            raise WrongSetting(f"enabled: {enabled!r} is neither true nor false.")
        rooms = [] if rooms is None else rooms
        if isinstance(rooms, str) or not hasattr(rooms, "__iter__"):
            raise WrongSetting(f"room_subscriptions: {rooms!r} is no list of room IDs, such as ['!abc:example.org'].")
        for room in rooms:
            if not isinstance(room, str) or not room.startswith("!") or len(room) < 2:
                raise WrongSetting(f"room_subscriptions: {room!r} is no room ID: those begin with '!'.")
        return cls(enabled, frozenset(str(room) for room in rooms))
