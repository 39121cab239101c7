"""What the tests of the verbs share: a wish for the toy kind, and the verbs on a world in memory."""

from __future__ import annotations

import json
from typing import Any

from providers.plugin.difference import Difference
from providers.plugin.reporter import Reporter
from providers.plugin.state import State
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.providers.plugin.memory_machine import NOTE, World

URN = "urn:pulumi:dev::inventory::hearth:test:Note::shopping"
VERBS = Verbs(NOTE)


class Told:
    def __init__(self) -> None:
        self.progress: list[str] = []
        self.warnings: list[str] = []
        self.reporter = Reporter(self.progress.append, self.warnings.append)


def wish(secret: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset(), **values: Any) -> Properties:
    inputs = {"host": "box", "name": "shopping", "text": "milk", **values}
    checked, failures = VERBS.desired.check(Properties(inputs, secret, unknown))
    assert failures == []
    return checked


def note(**values: Any) -> str:
    return json.dumps({"text": "milk", "colour": None, "lines": [], "size": "a5", "serial": 7, **values})


async def create(world: World, news: Properties | None = None, urn: str = URN, verbs: Any = VERBS) -> State:
    return await verbs.create(world.inventory(), urn, news or wish(), 0.0, Told().reporter)


async def difference(inventory: Any, old: Properties, new: Properties, told: Told | None = None) -> Difference:
    return await VERBS.difference(inventory, old, new, (told or Told()).reporter)


async def delete(world: World, state: State, urn: str = URN, told: Told | None = None, **inventory: Any) -> None:
    await VERBS.delete(world.inventory(**inventory), urn, state, 0.0, (told or Told()).reporter)
