"""Machines that get another address, that are off, and that are lost."""

from __future__ import annotations

import pytest

from providers.errors import ConnectionFailed, InvalidInput
from providers.plugin.difference import Change
from tests.unit.providers.plugin.memory_machine import MemoryMachine, World, world
from tests.unit.providers.plugin.verb_helpers import URN, VERBS, Told, create, delete, difference, wish

__all__ = ["world"]


def two_addresses(world: World, *, same: bool) -> MemoryMachine:
    other = world.machines["box"] if same else MemoryMachine("id-of-another")
    world.machines["attic"] = other
    return other


MOVED = {"hosts": {"box": {"address": "attic"}}}


async def test_a_new_address_of_the_same_machine_is_an_update_in_place(world: World):
    state = await create(world)
    two_addresses(world, same=True)
    inventory = world.inventory(**MOVED)
    told = Told()
    for _ in range(3):  # as many resources
        found = await difference(inventory, state.outputs, wish(), told)
    assert told.warnings == ["box, until now at box, is the same machine: what is there is kept"]
    assert found.changes == {"machine": Change.UPDATE}
    assert found.replaces == ()
    state = await VERBS.update(inventory, URN, state, wish(), 0.0, Told().reporter)
    assert state.outputs.values["machine"] == {"id": "id-of-box", "address": "attic"}
    assert state.outputs.values["serial"] == 1


async def test_another_machine_gets_it_anew_before_the_old_one_is_restored(world: World):
    state = await create(world)
    other = two_addresses(world, same=False)
    inventory = world.inventory(**MOVED)
    told = Told()
    found = await difference(inventory, state.outputs, wish(), told)
    assert "box is another machine than the one at box" in told.warnings[0]
    assert found.replaces == ("machine",)
    assert not found.delete_first
    new = await VERBS.create(inventory, URN, wish(), 0.0, Told().reporter)
    assert other.text("/notes/shopping") is not None
    await VERBS.delete(inventory, URN, state, 0.0, Told().reporter)
    assert world.machines["box"].files == {}
    assert other.text("/notes/shopping") is not None
    assert new.outputs.values["machine"]["id"] == "id-of-another"


async def test_a_refresh_after_a_move_reads_the_machine_that_has_it(world: World):
    state = await create(world)
    two_addresses(world, same=False)
    found = await VERBS.read(world.inventory(**MOVED), URN, state, Told().reporter)
    assert found.id == state.id
    assert found.outputs.values["machine"] == {"id": "id-of-box", "address": "box"}


async def test_a_refresh_finds_the_same_machine_at_its_new_address(world: World):
    state = await create(world)
    two_addresses(world, same=True)
    del world.machines["box"]
    found = await VERBS.read(world.inventory(**MOVED), URN, state, Told().reporter)
    assert found.outputs.values["machine"] == {"id": "id-of-box", "address": "attic"}


async def test_destroy_finds_the_same_machine_at_its_new_address(world: World):
    state = await create(world)
    attic = two_addresses(world, same=True)
    del world.machines["box"]
    await delete(world, state, **MOVED)
    assert attic.files == {}


async def test_destroy_reaches_a_machine_that_is_no_longer_in_the_settings(world: World):
    state = await create(world)
    await delete(world, state, hosts={})
    assert world.machines["box"].files == {}


async def test_a_machine_that_is_off_is_not_forgotten(world: World):
    state = await create(world)
    world.machines["box"].off = True
    with pytest.raises(ConnectionFailed, match="can't be reached"):
        await delete(world, state)
    with pytest.raises(ConnectionFailed, match="can't be reached"):
        await VERBS.read(world.inventory(), URN, state, Told().reporter)


async def test_a_lost_machine_is_not_waited_for(world: World):
    state = await create(world)
    world.machines["box"].off = True
    world.opened.clear()
    told = Told()
    await delete(world, state, told=told, lost=["box"])
    assert "declared lost" in told.warnings[0]
    found = await VERBS.read(world.inventory(lost=["box"]), URN, state, told.reporter)
    assert found.id == ""
    assert world.opened == []


async def test_a_wish_for_a_lost_machine_is_refused(world: World):
    with pytest.raises(InvalidInput, match="declared lost"):
        await VERBS.create(world.inventory(lost=["box"]), URN, wish(), 0.0, Told().reporter)
