"""The instance's settings, checked: a wrong one is an error that names it, not a bot that is silent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class WrongSetting(ValueError):
    """A setting that can't be used: value, rule, what follows."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """`max_file_size` is in bytes; `proxy` is empty for none."""

    enabled: bool
    max_file_size: int
    room_subscriptions: frozenset[str]
    proxy: str

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings in an instance's config. Raises WrongSetting for the first that is wrong."""
        enabled, size, rooms = config["enabled"], config["max_file_size"], config["room_subscriptions"]
        if not isinstance(enabled, bool):
            raise WrongSetting(
                f"enabled: {enabled!r} is neither true nor false. Nothing is answered until it is mended."
            )
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise WrongSetting(f"max_file_size: {size!r} is no number of bytes above 0, such as 50000000.")
        if rooms is None:
            rooms = []
        if isinstance(rooms, str) or not hasattr(rooms, "__iter__"):
            raise WrongSetting(f"room_subscriptions: {rooms!r} is no list of room IDs, such as ['!abc:example.org'].")
        for room in rooms:
            if not isinstance(room, str) or not room.startswith("!") or len(room) < 2:
                raise WrongSetting(
                    f"room_subscriptions: {room!r} is no room ID: those begin with '!' (in Element: room settings, "
                    "Advanced). An alias (#…) may come to mean another room, and is not taken."
                )
        proxy = config["proxy"] or ""
        if proxy:
            _check_proxy(proxy)
        return cls(enabled, size, frozenset(str(room) for room in rooms), str(proxy))


def _check_proxy(proxy: Any) -> None:
    try:
        parts = urlsplit(proxy) if isinstance(proxy, str) else None
        good = parts is not None and parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good:
        # Its password must not be in a log.
        raise WrongSetting(
            "proxy: it must be written as http://user:password@host:port (user and password may be left out)."
        )
