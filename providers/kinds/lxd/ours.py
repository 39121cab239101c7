"""Which keys of a thing's configuration are Hearth's: they alone are compared, changed and taken away again.

LXD adds keys by itself (`volatile.*`, `image.*`), and people add theirs. What Hearth has set is noted in the thing's
own configuration, under `user.hearth`: so a key that is no longer wished for is known to be Hearth's, also after an
`up` that was cut short, and is removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import AfterValidator

MARK = "user.hearth"
BY_ITSELF = ("volatile.", "image.")

Config = dict[str, str]
Devices = dict[str, Config]


def _keys(value: Config) -> Config:
    for key in value:
        if key == MARK or key.startswith(BY_ITSELF):
            raise ValueError(f"must not have the key {key!r}, which is set by itself; remove it")
    return value


ConfigInput = Annotated[Config, AfterValidator(_keys)]


def marked(config: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys and the devices that Hearth has set, from the note in a configuration.

    A note that somebody has spoilt counts as none.
    """
    try:
        found: Any = json.loads(config.get(MARK, "{}"))
        return frozenset(map(str, found.get("config", ()))), frozenset(map(str, found.get("devices", ())))
    except (ValueError, AttributeError, TypeError):
        return frozenset(), frozenset()


def ours(wish: Mapping[str, Any], noted: frozenset[str], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a finding is compared with a wish: its keys, and those that Hearth has set before."""
    return {key: value for key, value in found.items() if key != MARK and (key in wish or key in noted)}


def note(config: Mapping[str, Any], devices: Mapping[str, Any] | None = None) -> str:
    """Return the note of what Hearth sets."""
    content: dict[str, Sequence[str]] = {"config": sorted(config)}
    if devices is not None:
        content["devices"] = sorted(devices)
    return json.dumps(content, separators=(",", ":"))


def merged(found: Mapping[str, Any], wish: Mapping[str, Any], noted: frozenset[str]) -> dict[str, Any]:
    """Return what is there, with the wish in place of what Hearth has set before."""
    kept = {key: value for key, value in found.items() if key not in noted}
    return {**kept, **wish}


def wished(found: Mapping[str, Any], config: Config, devices: Devices | None = None) -> dict[str, Any]:
    """Return the part of a thing's object that a PUT takes: configuration and devices as wished, all else kept."""
    there = cast(Config, found.get("config") or {})
    keys, names = marked(there)
    result: dict[str, Any] = {"config": {**merged(there, config, keys), MARK: note(config, devices)}}
    if devices is not None:
        result["devices"] = merged(cast(Devices, found.get("devices") or {}), devices, names)
    return result
