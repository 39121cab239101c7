"""What a deletion puts back, from the record of what was there before."""

from __future__ import annotations

import json

import pytest

from providers.errors import HearthError
from providers.plugin.values import Properties
from providers.plugin.verbs import State
from tests.unit.memory_machine import World, world
from tests.unit.verb_helpers import URN, VERBS, Told, create, delete, note, wish

__all__ = ["world"]


async def test_delete_without_a_record_leaves_what_is_there(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note())
    state = State("box/shopping", Properties(dict(wish().values)), wish())
    told = Told()
    await delete(world, state, told=told)
    assert box.text("/notes/shopping") == note()
    assert "left as it is" in told.progress[0]


async def test_the_last_record_takes_hearths_folder_with_it(world: World):
    one, two = await create(world), await create(world, wish(name="diary"))
    await delete(world, one)
    assert len(world.machines["box"].records()) == 1
    await delete(world, two)
    assert world.machines["box"].files == {}


async def test_delete_may_run_twice(world: World):
    state = await create(world)
    await delete(world, state)
    await delete(world, state)
    assert world.machines["box"].files == {}


async def test_a_restore_that_fails_keeps_the_record_for_the_next_try(world: World):
    box = world.machines["box"]
    state = await create(world)
    box.breaks.append(("remove", "/notes", HearthError("busy")))
    with pytest.raises(HearthError, match="busy"):
        await delete(world, state)
    assert len(box.records()) == 1
    await delete(world, state)
    assert box.files == {}


async def test_a_resource_of_another_name_takes_the_record_over(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    old = await create(world)
    new = await create(world, urn=f"{URN}-new")  # a new name: Pulumi makes it, and then deletes the old one
    await delete(world, old)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"
    await delete(world, new, urn=f"{URN}-new")
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_a_resource_that_was_renamed_by_an_alias_is_put_back_all_the_same(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    # Pulumi asks nothing for an alias: from then on the resource has another URN.
    await delete(world, state, urn=f"{URN}-new")
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"
    assert box.records() == []


async def test_an_update_under_another_name_keeps_what_was_there_first(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    state = await VERBS.update(world.estate(), f"{URN}-new", state, wish(text="beer"), 0.0, Told().tellers)
    (record,) = box.records()
    assert record["urn"] == f"{URN}-new"
    await delete(world, state, urn=f"{URN}-new")
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_a_resource_that_has_handed_its_record_over_may_be_deleted_twice(world: World):
    old = await create(world)
    await create(world, urn=f"{URN}-new")
    await delete(world, old)
    await delete(world, old)  # as after a SIGKILL, before the state was written
    assert world.machines["box"].text("/notes/shopping") is not None


async def test_what_another_stack_has_recorded_is_not_taken_over(world: World):
    state = await create(world, urn=URN.replace("dev", "prod"))
    await delete(world, state)
    assert world.machines["box"].text("/notes/shopping") is not None
    assert len(world.machines["box"].records()) == 1
