"""The one table of systems. A new system is new rooms under its key, and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from config.system import System
from config.systems.core import Core
from config.systems.lxd import Lxd
from config.systems.maubot import Maubot
from config.systems.secondbrain import SecondBrain
from config.systems.todo import Todo

_TABLE = (
    System("secondbrain", SecondBrain, component="SecondBrain"),
    System("core", Core, component="CoreStack"),
    System("todo", Todo, component="TodoApp", preflight="reach"),
    System("maubot", Maubot, component="MaubotHost", preflight="read_plugins"),
    System("lxd", Lxd, component="LxdCluster"),
)

SYSTEMS: Mapping[str, System] = {system.key: system for system in _TABLE}
"""Key of each system -> what it consists of."""
