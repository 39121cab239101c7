"""A default is no wish: it holds for what Hearth makes, and for nothing that was there before."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from providers.machine.session import Session
from providers.plugin.desired_state import MADE
from providers.plugin.difference import Change
from providers.plugin.schema import schema
from providers.plugin.state import State
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.providers.plugin.memory_machine import NOTE, NoteFacts, NoteInputs, World, world
from tests.unit.providers.plugin.verb_helpers import URN, VERBS, Told, create, delete, note, wish

__all__ = ["world"]
PATH = "/notes/shopping"


def size(world: World) -> str:
    return json.loads(world.machines["box"].text(PATH) or "{}")["size"]


async def refreshed(world: World, state: State) -> State:
    return await VERBS.read(world.inventory(), URN, state, Told().reporter)


async def updated(world: World, state: State, **values: Any) -> State:
    return await VERBS.update(world.inventory(), URN, state, wish(**values), 0.0, Told().reporter)


async def test_a_new_thing_gets_the_default(world: World):
    state = await create(world)
    assert size(world) == "a4"
    assert state.outputs.values["size"] == "a4"
    assert VERBS.desired.differences(state.outputs, wish()) == {}


async def test_drift_from_the_default_of_a_thing_that_hearth_made_is_seen_and_repaired(world: World):
    state = await create(world)
    world.machines["box"].put(PATH, note(size="a0"))
    state = await refreshed(world, state)
    assert VERBS.desired.differences(state.outputs, wish()) == {"size": Change.UPDATE}
    state = await updated(world, state)
    assert size(world) == "a4"
    assert VERBS.desired.differences(state.outputs, wish()) == {}


async def test_on_a_thing_that_was_there_what_is_left_out_is_neither_changed_nor_looked_at(world: World):
    world.machines["box"].put(PATH, note(text="bread", size="a0"))
    state = await create(world)
    assert size(world) == "a0"
    assert json.loads(world.machines["box"].text(PATH) or "")["text"] == "milk"
    assert state.outputs.values.get("size") is None
    world.machines["box"].put(PATH, note(size="a1"))
    state = await refreshed(world, state)
    assert VERBS.desired.differences(state.outputs, wish()) == {}
    await delete(world, state)
    assert size(world) == "a1", "somebody else's business all the time"


async def test_a_creation_that_failed_is_remembered_as_the_making_of_it(world: World):
    machine = world.machines["box"]
    machine.put(PATH, note(size="a0"))
    machine.breaks.append(("write", PATH, OSError("cut short")))
    for _ in range(2):
        try:
            state = await create(world)
        except OSError:
            continue
    assert size(world) == "a0"
    assert MADE not in state.outputs.values


async def test_what_was_there_and_has_gone_is_made_as_it_was_and_not_as_a_new_one(world: World):
    machine = world.machines["box"]
    machine.put(PATH, note(size="a0"))
    state = await create(world)
    del machine.files[PATH]
    assert (await refreshed(world, state)).id == ""
    await create(world)
    assert size(world) == "a0"


async def test_a_property_that_is_wished_for_no_more_stays_as_it_is_and_destroy_puts_it_back(world: World):
    world.machines["box"].put(PATH, note(size="a0"))
    state = await create(world, wish(size="a2"))
    assert size(world) == "a2"
    assert VERBS.desired.differences(state.outputs, wish()) == {}
    state = await updated(world, state, text="bread")
    assert size(world) == "a2"
    await delete(world, state)
    assert size(world) == "a0"


async def test_a_property_that_is_wished_for_later_is_put_back_too(world: World):
    world.machines["box"].put(PATH, note(size="a0"))
    state = await create(world)
    state = await updated(world, state, size="a2")
    state = await updated(world, state)
    await delete(world, state)
    assert size(world) == "a0"


async def test_a_property_left_out_again_goes_back_to_the_default_of_what_hearth_made(world: World):
    state = await create(world, wish(size="a2"))
    assert VERBS.desired.differences(state.outputs, wish()) == {"size": Change.UPDATE}
    await updated(world, state)
    assert size(world) == "a4"


async def test_a_preview_does_not_promise_a_default_for_what_may_be_there(world: World):
    assert "size" in VERBS.desired.planned(wish()).unknown
    assert VERBS.desired.planned(wish(size="a1")).values["size"] == "a1"
    made = await create(world)
    assert VERBS.desired.planned(wish(text="bread"), made.outputs).values["size"] == "a4"
    adopted = Properties({name: value for name, value in made.outputs.values.items() if name != MADE})
    assert VERBS.desired.planned(wish(text="bread"), adopted).values.get("size") is None


def test_the_schema_tells_the_default_in_words_and_has_no_client_fill_it_in():
    told = schema([NOTE])["resources"]["hearth:test:Note"]["inputProperties"]["size"]
    assert "a new one gets `a4`" in told["description"]
    assert "default" not in told


async def test_what_is_right_already_may_be_written_down_without_being_changed(world: World):
    noted: list[str] = []

    async def adopt(_session: Session, inputs: NoteInputs, _facts: NoteFacts) -> None:
        noted.append(inputs.name)

    verbs = Verbs(replace(NOTE, adopt=adopt))
    world.machines["box"].put(PATH, note())
    await create(world, verbs=verbs)
    assert (noted, world.machines["box"].changes()) == (["shopping"], [])
