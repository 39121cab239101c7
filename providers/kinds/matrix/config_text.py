"""An instance's config: the YAML text that maubot keeps, and the mapping that the settings give.

maubot reads and writes it with ruamel.yaml, as YAML 1.2. So does this: to YAML 1.1 a plain `yes` is a truth value, and
`1e3` is a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Config = dict[str, Any]


def loads(text: str) -> Config:
    """Return the mapping in a config's text; an empty one where it holds none, or can't be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = cast(Any, YAML(typ="safe", pure=True)).load(text)
    except (YAMLError, ValueError, RecursionError):
        return {}
    return cast(Config, found) if isinstance(found, dict) else {}


def dumps(config: Mapping[str, Any]) -> str:
    """Return the text of a config; `loads` gives the same mapping back."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 200
    yaml.allow_unicode = False  # written plain, a U+0085 would come back as a blank
    target = io.StringIO()
    cast(Any, yaml).dump(dict(config), target)
    return target.getvalue()


def ours(found: Mapping[str, Any], wish: Mapping[str, Any]) -> Config:
    """Return the keys found that the wish has too, at every depth: the rest is the plugin's own business."""
    result: Config = {}
    for key, wished in wish.items():
        if key not in found:
            continue
        value = found[key]
        if isinstance(wished, dict) and isinstance(value, dict):
            result[key] = ours(cast(Config, value), cast(Config, wished))
        else:
            result[key] = value
    return result


def merged(found: Mapping[str, Any], wish: Mapping[str, Any]) -> Config:
    """Return what was found, with the wish laid over it, at every depth."""
    result = dict(found)
    for key, wished in wish.items():
        value = result.get(key)
        both = isinstance(wished, dict) and isinstance(value, dict)
        result[key] = merged(cast(Config, value), cast(Config, wished)) if both else wished
    return result


def missing(found: Mapping[str, Any], wish: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the wish's keys that were not found, as `limits.size`: a plugin drops what it does not know."""
    result: list[str] = []
    for key, wished in wish.items():
        name = f"{path}{key}"
        if key not in found:
            result.append(name)
        elif isinstance(wished, dict) and isinstance(found[key], dict):
            result += missing(cast(Config, found[key]), cast(Config, wished), f"{name}.")
    return result
