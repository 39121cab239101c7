"""Whether maubot's plugins can be read, asked before anything of any system is registered."""

from __future__ import annotations

from pathlib import Path

from components.system import NotDeployable
from config.mistakes import Mistake
from config.systems.maubot import Maubot
from providers.errors import HearthError
from providers.kinds.matrix.archive import Archive, read


def plugin_archive(plugin: str, source: str) -> Archive:
    """Return the plugin at `source`, a path from the project's folder. Raises NotDeployable where it is none."""
    if found := _mistake(plugin, source):
        raise NotDeployable([found])
    return read(Path(source).absolute())


def read_plugins(settings: Maubot) -> None:
    """Raise NotDeployable with every plugin that can't be read."""
    mistakes = [found for plugin, source in settings.plugins.items() if (found := _mistake(plugin, source))]
    if mistakes:
        raise NotDeployable(mistakes)


def _mistake(plugin: str, source: str) -> Mistake | None:
    where = f"hearth:maubot.plugins.{plugin}"
    try:
        archive = read(Path(source).absolute())
    except HearthError as error:
        remedy = error.remedy or "name an .mbp file or a plugin's folder, from the project's folder"
        return Mistake(where, f"must be a plugin: {error.summary}", remedy, source)
    except (OSError, ValueError) as error:
        return Mistake(where, f"must be a plugin: {error}", "name an .mbp file or a plugin's folder", source)
    if archive.plugin != plugin:
        rule = f"must be the plugin of this key, and it is {archive.plugin}"
        return Mistake(where, rule, "write that as the key, or correct the path", source)
    return None
