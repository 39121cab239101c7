"""What a deletion puts back, from the record of what was there before."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from providers.errors import HearthError, InvalidInput
from providers.machine.record import RECORDS
from providers.plugin.state import State
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.providers.plugin.memory_machine import NOTE, World, world
from tests.unit.providers.plugin.verb_helpers import URN, VERBS, Told, create, delete, difference, note, wish

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
    told = Told()
    await delete(world, old, told=told)
    assert told.warnings == []
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"
    await delete(world, new, urn=f"{URN}-new")
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_a_resource_that_has_handed_its_record_over_may_be_deleted_twice(world: World):
    old = await create(world)
    await create(world, urn=f"{URN}-new")
    await delete(world, old)
    told = Told()
    await delete(world, old, told=told)  # as after a SIGKILL, before the state was written
    assert world.machines["box"].text("/notes/shopping") is not None
    assert told.warnings == []


# --- another URN: of the stack, the project or a parent that got another name, or by an alias ---


RENAMED = URN.replace("dev", "prod")


async def test_a_resource_whose_stack_was_renamed_is_put_back_all_the_same(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    await delete(world, state, urn=RENAMED)  # Pulumi tells a provider nothing of the new name
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"
    assert box.records() == []


async def test_an_update_under_another_name_keeps_what_was_there_first(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    state = await VERBS.update(world.inventory(), RENAMED, state, wish(text="beer"), 0.0, Told().reporter)
    (record,) = box.records()
    assert list(record["holders"].values()) == [RENAMED]
    await delete(world, state, urn=URN.replace("dev", "third"))
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_what_was_gone_at_a_refresh_after_a_rename_is_made_again_and_still_put_back(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    del box.files["/notes/shopping"]
    for _ in range(2):  # a preview first, which Pulumi forgets
        assert (await VERBS.read(world.inventory(), RENAMED, state, Told().reporter)).id == ""
    state = await create(world, urn=RENAMED)
    assert len(box.records()[0]["holders"]) == 1
    await delete(world, state, urn=RENAMED)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_a_refresh_that_finds_everything_does_not_touch_the_record(world: World):
    state = await create(world)
    world.machines["box"].requests.clear()
    found = await VERBS.read(world.inventory(), RENAMED, state, Told().reporter)
    assert found.outputs == state.outputs
    assert [op for op, _ in world.machines["box"].requests] == ["stat"]


# --- two stacks that have the same thing on one machine ---


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_stacks_the_last_one_to_go_puts_back_what_was_there(world: World, first: int):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    urns = [URN, RENAMED]
    states = [await create(world, urn=urn) for urn in urns]
    told = Told()
    await delete(world, states[first], urn=urns[first], told=told)
    assert told.warnings == [
        f"box/shopping stays for the stack {['prod', 'dev'][first]} of inventory, which has it too"
    ]
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"
    await delete(world, states[1 - first], urn=urns[1 - first])
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"
    assert box.records() == []


async def test_a_new_stack_of_the_old_name_does_not_take_the_thing_from_the_one_that_was_renamed(world: World):
    box = world.machines["box"]
    state = await create(world)
    state = await VERBS.update(world.inventory(), RENAMED, state, wish(text="beer"), 0.0, Told().reporter)
    other = await create(world)
    await delete(world, other)
    assert box.text("/notes/shopping") is not None
    await delete(world, state, urn=RENAMED)
    assert box.files == {}


async def test_what_only_another_stack_has_recorded_is_left_to_it(world: World):
    await create(world, urn=RENAMED)
    found = await VERBS.read(world.inventory(), URN, State("box/shopping", Properties()), Told().reporter)  # an import
    await delete(world, found)
    assert world.machines["box"].text("/notes/shopping") is not None
    assert len(world.machines["box"].records()) == 1


# --- a record that somebody has removed ---


def lose_the_records(world: World) -> None:
    box = world.machines["box"]
    box.files = {path: found for path, found in box.files.items() if not path.startswith("/var/lib/hearth")}


async def test_what_no_record_knows_any_more_is_left_with_a_warning_that_says_how_to_remove_it(world: World):
    box = world.machines["box"]
    state = await create(world)
    lose_the_records(world)
    told = Told()
    await delete(world, state, told=told)
    assert box.text("/notes/shopping") is not None
    (warning,) = told.warnings
    assert "does not say any more what was there before box/shopping: it was left as it is" in warning
    assert "remove it by hand on box: rm /notes/shopping" in warning


async def test_what_is_gone_like_its_record_is_no_warning(world: World):
    state = await create(world)
    world.machines["box"].files.clear()
    told = Told()
    await delete(world, state, told=told)
    assert told.warnings == []


async def test_an_update_without_its_record_says_what_counts_as_before_from_now_on(world: World):
    box = world.machines["box"]
    state = await create(world)
    lose_the_records(world)
    told = Told()
    state = await VERBS.update(world.inventory(), URN, state, wish(text="beer"), 0.0, told.reporter)
    (warning,) = told.warnings
    assert "from now on, what is there now counts as that" in warning
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"


# --- a record that can't be read ---


DAMAGES = {
    "empty": b"",
    "half of it": b'{"thing": ["hearth:test:Note", "sho',
    "no text": b"\xff\xfe\x00",
    "another thing": b"[]",
    "other values": b'{"before": null, "holders": 7}',
    "zeros": b"\x00" * 4096,
}


def damage(world: World, content: bytes) -> None:
    box = world.machines["box"]
    (path,) = [path for path in box.files if path.startswith(f"{RECORDS}/")]
    box.files[path]["content"] = base64.b64encode(content).decode()


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_record_is_a_warning_of_its_resource_and_goes_with_it(world: World, content: bytes):
    box = world.machines["box"]
    state = await create(world)
    damage(world, content)
    told = Told()
    await delete(world, state, told=told)
    (warning,) = told.warnings
    assert "where was written what was there before, can't be read" in warning
    assert "remove it by hand on box: rm /notes/shopping" in warning
    assert list(box.files) == ["/notes/shopping"]


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
async def test_an_update_over_a_damaged_record_says_so_and_goes_on(world: World, content: bytes):
    box = world.machines["box"]
    state = await create(world)
    damage(world, content)
    told = Told()
    state = await VERBS.update(world.inventory(), URN, state, wish(text="beer"), 0.0, told.reporter)
    assert "can't be read" in told.warnings[0]
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"


async def test_a_record_of_other_facts_than_the_kind_has_is_a_damaged_one(world: World):
    state = await create(world)
    (record,) = world.machines["box"].records()
    damage(world, json.dumps({**record, "before": {"present": "perhaps", "unheard": 1}}).encode())
    told = Told()
    await delete(world, state, told=told)
    assert "can't be read" in told.warnings[0]


async def test_a_refresh_of_what_is_gone_does_not_mind_a_damaged_record(world: World):
    state = await create(world)
    del world.machines["box"].files["/notes/shopping"]
    damage(world, b"")
    assert (await VERBS.read(world.inventory(), URN, state, Told().reporter)).id == ""


async def test_of_what_is_gone_and_was_not_there_before_a_refresh_leaves_no_record(world: World):
    box = world.machines["box"]
    before = dict(box.files)
    state = await create(world)
    assert any("/records/" in path for path in box.files)
    del box.files["/notes/shopping"]
    for _ in range(2):  # as a preview asks, and then an update
        assert (await VERBS.read(world.inventory(), URN, state, Told().reporter)).id == ""
    assert box.files == before
    # What is not refreshed goes on with the state that it has.
    told = Told()
    again = await VERBS.update(world.inventory(), URN, state, wish(text="beer"), 0.0, told.reporter)
    assert told.warnings == []
    await delete(world, again, told=told)
    assert box.files == before


async def test_of_what_is_gone_and_was_there_before_a_refresh_keeps_what_it_was(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    before = dict(box.files)
    state = await create(world)
    del box.files["/notes/shopping"]
    assert (await VERBS.read(world.inventory(), URN, state, Told().reporter)).id == ""
    await delete(world, await create(world))
    assert box.files == before


# --- what was refused ---


async def test_a_creation_that_is_refused_leaves_nothing_behind(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    before = dict(box.files)
    box.breaks.append(("write", "/notes", InvalidInput("not like this")))
    with pytest.raises(InvalidInput, match="not like this"):
        await create(world)
    assert box.files == before


async def test_destroy_after_an_update_that_was_refused_changes_nothing(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note())
    state = await create(world)  # adopted as it is
    box.breaks.append(("write", "/notes", InvalidInput("not like this")))
    with pytest.raises(InvalidInput):
        await VERBS.update(world.inventory(), URN, state, wish(text="beer"), 0.0, Told().reporter)
    box.put("/notes/shopping", note(text="their own by now"))
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "their own by now"
    assert box.records() == []


async def test_what_was_changed_once_is_put_back_also_after_a_later_refusal(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    state = await create(world)
    box.breaks.append(("write", "/notes", InvalidInput("not like this")))
    with pytest.raises(InvalidInput):
        await VERBS.update(world.inventory(), URN, state, wish(text="beer"), 0.0, Told().reporter)
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_what_could_not_be_put_back_is_not_touched_at_first_and_repaired_later(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    careful = Verbs(replace(NOTE, unkeepable=lambda facts: "too large" if facts.text == "eggs" else ""))
    with pytest.raises(InvalidInput, match="could not be put back later, so it is not touched: too large"):
        await create(world, verbs=careful)
    assert list(box.files) == ["/notes/shopping"]
    box.files.clear()
    state = await create(world, verbs=careful)
    box.put("/notes/shopping", note(text="eggs"))
    await careful.update(world.inventory(), URN, state, wish(), 0.0, Told().reporter)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "milk"


# --- what can't be looked at ---


async def test_a_look_that_failed_is_drift_of_that_resource_and_no_end_of_a_refresh(world: World):
    state = await create(world)
    world.machines["box"].breaks.append(("stat", "/notes", HearthError("stat /notes/shopping on box failed: stale")))
    told = Told()
    found = await VERBS.read(world.inventory(), URN, state, told.reporter)
    assert "box/shopping could not be looked at" in told.warnings[0]
    assert "stale" in told.warnings[0]
    changes = (await difference(world.inventory(), found.outputs, wish())).changes
    assert set(changes) == {"text", "lines", "size"}
    again = await VERBS.update(world.inventory(), URN, found, wish(), 0.0, Told().reporter)
    assert again.outputs == state.outputs


async def test_what_could_not_be_looked_at_when_it_was_created_leaves_no_record_of_having_been_away(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    box.breaks.append(("stat", "/notes", HearthError("not answering")))
    with pytest.raises(HearthError, match="not answering"):
        await create(world)
    assert list(box.files) == ["/notes/shopping"]
    state = await create(world)
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_what_no_record_knows_any_more_and_can_not_be_looked_at_counts_as_there(world: World):
    state, told = await create(world), Told()
    lose_the_records(world)
    world.machines["box"].breaks.append(("stat", "/notes", HearthError("not answering")))
    await delete(world, state, told=told)
    assert "remove it by hand on box: rm /notes/shopping" in told.warnings[0]
