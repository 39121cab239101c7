"""Pulumi's verbs over a toy kind, on machines in memory."""

import json
from dataclasses import replace
from typing import Any

import pytest

from providers.errors import CommandFailed, HearthError, InvalidInput, NotConverged
from providers.plugin.difference import Change
from providers.plugin.state import HalfDone, State
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.providers.plugin.memory_machine import NO_ANSWER, NOTE, World, world
from tests.unit.providers.plugin.verb_helpers import URN, VERBS, Told, create, delete, difference, note, wish

__all__ = ["world"]


# --- create ---


async def test_create_makes_it_and_tells_id_outputs_and_machine(world: World):
    state = await create(world)
    assert state.id == "box/shopping"
    assert state.outputs.values == {
        "host": "box",
        "name": "shopping",
        "text": "milk",
        "colour": None,
        "lines": [],
        "penType": "ink",
        "size": "a4",
        "serial": 1,
        "machine": {"id": "id-of-box", "address": "box"},
        "__record": next(iter(world.machines["box"].records()[0]["holders"])),
        "__made": ["size"],
    }


async def test_create_writes_the_record_before_it_applies(world: World):
    box = world.machines["box"]
    await create(world)
    *records, thing = [args["path"] for op, args in box.requests if op == "write"]
    assert all(path.startswith("/var/lib/hearth/records/") for path in records)
    assert thing == "/notes/shopping"
    (record,) = box.records()
    assert list(record["holders"].values()) == [URN]
    assert record["before"]["present"] is False


async def test_the_record_and_its_folders_are_for_root_alone(world: World):
    await create(world)
    own = {path: found for path, found in world.machines["box"].files.items() if path.startswith("/var/lib/hearth")}
    assert {found["mode"] for found in own.values() if found["type"] == "directory"} == {"0700"}
    assert {found["mode"] for found in own.values() if found["type"] == "file"} == {"0600"}
    assert {found["owner"] for found in own.values()} == {"root"}


async def test_a_second_create_finds_the_record_of_one_that_was_cut_short(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs"))
    await create(world)
    box.requests.clear()
    state = await create(world)  # as after a SIGKILL: the engine knows nothing of the first
    assert box.changes() == []
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "")["text"] == "eggs"


async def test_what_is_right_already_is_adopted_and_left_by_destroy(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note())
    state = await create(world)
    assert box.changes() == []
    assert state.outputs.values["serial"] == 7
    await delete(world, state)
    assert box.text("/notes/shopping") == note()
    assert box.records() == []


async def test_a_creation_that_fails_after_its_change_keeps_the_state(world: World):
    box = world.machines["box"]

    async def spoil(session: Any, inputs: Any, facts: Any) -> None:
        await NOTE.apply(session, inputs, facts)
        raise CommandFailed("`tidy` ended with status 3", status=3, detail="no room")

    with pytest.raises(HalfDone) as caught:
        await create(world, verbs=Verbs(replace(NOTE, apply=spoil)))
    kept = caught.value.state
    assert kept.id == "box/shopping"
    assert kept.inputs.values["text"] == "milk"
    assert kept.outputs.values["machine"] == {"id": "id-of-box", "address": "box"}
    assert "ended with status 3" in str(caught.value)
    assert box.text("/notes/shopping") is not None
    state = await VERBS.update(world.inventory(), URN, kept, wish(), 0.0, Told().reporter)  # what the next `up` does
    await delete(world, state)
    assert box.text("/notes/shopping") is None


async def test_a_creation_that_touched_nothing_leaves_no_state(world: World):
    box = world.machines["box"]
    box.breaks.append(("write", "/var/lib/hearth/records", HearthError("no space left")))
    box.breaks *= 6
    with pytest.raises(HearthError, match="no space") as caught:
        await create(world)
    assert not isinstance(caught.value, HalfDone)
    assert box.changes() == []


async def test_a_wish_that_does_not_hold_after_all_is_an_error_that_names_wish_and_finding(world: World):
    async def idle(_session: Any, _inputs: Any, _facts: Any) -> None:
        return

    world.machines["box"].put("/notes/shopping", note(text="eggs"))
    with pytest.raises(HalfDone, match="still not as wished") as caught:
        await create(world, verbs=Verbs(replace(NOTE, apply=idle)))
    assert "text: 'milk' wished, 'eggs' found" in str(caught.value)
    assert isinstance(caught.value.__cause__, NotConverged)


async def test_a_secret_wish_that_does_not_hold_is_not_shown(world: World):
    async def idle(_session: Any, _inputs: Any, _facts: Any) -> None:
        return

    world.machines["box"].put("/notes/shopping", note(text="eggs"))
    with pytest.raises(HalfDone) as caught:
        await create(world, wish(frozenset({"text"})), verbs=Verbs(replace(NOTE, apply=idle)))
    assert "text: a secret" in str(caught.value)
    assert "milk" not in str(caught.value)


async def test_a_connection_that_drops_in_the_middle_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("providers.machine.outage.RECONNECT", 10.0)
    box = world.machines["box"]
    box.breaks.append(("write", "/notes", NO_ANSWER))
    state = await create(world)
    assert state.outputs.values["serial"] == 1
    await delete(world, state)
    assert box.files.keys() == set()


async def test_a_machine_that_is_not_in_the_settings_is_named_with_those_that_are(world: World):
    with pytest.raises(InvalidInput, match=r"'other' is not in hearth:hosts \(there: box\)"):
        await create(world, wish(host="other"))


# --- update and diff ---


async def test_update_changes_in_place_and_destroy_still_puts_back_the_first_state(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs", colour="red"))
    state = await create(world, wish(colour="blue"))
    state = await VERBS.update(world.inventory(), URN, state, wish(text="beer", colour="blue"), 0.0, Told().reporter)
    assert state.outputs.values["text"] == "beer"
    assert len(box.records()) == 1
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "") == json.loads(note(text="eggs", colour="red"))


async def test_nothing_to_change_is_no_difference_and_opens_no_connection(world: World):
    state = await create(world)
    world.opened.clear()
    found = await difference(world.inventory(), state.outputs, wish())
    assert found.changes == {}
    assert found.replaces == ()
    assert world.opened == []


async def test_each_kind_of_change_is_told_apart(world: World):
    state = await create(world, wish(colour="blue"))
    found = await difference(world.inventory(), state.outputs, wish(text="beer", colour="red", penType="chalk"))
    assert found.changes == {"text": Change.UPDATE, "colour": Change.UPDATE, "penType": Change.UPDATE}
    assert found.replaces == ()


async def test_a_field_that_nobody_manages_is_neither_a_difference_nor_changed(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs", colour="red"))
    state = await create(world)
    assert json.loads(box.text("/notes/shopping") or "")["colour"] == "red"
    assert state.outputs.values["colour"] is None
    assert (await difference(world.inventory(), state.outputs, wish())).changes == {}


async def test_a_field_that_is_no_longer_managed_is_no_difference(world: World):
    state = await create(world, wish(colour="blue"))
    assert (await difference(world.inventory(), state.outputs, wish())).changes == {}


async def test_a_field_that_becomes_managed_is_added(world: World):
    state = await create(world)
    assert (await difference(world.inventory(), state.outputs, wish(colour="red"))).changes == {"colour": Change.ADD}


async def test_a_change_that_the_machine_can_not_show_is_applied(world: World):
    state = await create(world)
    state = await VERBS.update(world.inventory(), URN, state, wish(penType="chalk"), 0.0, Told().reporter)
    assert state.outputs.values["serial"] == 2
    assert state.outputs.values["penType"] == "chalk"


@pytest.mark.parametrize(("pen", "changes"), [("ink", []), ("chalk", ["penType"])])
async def test_an_option_that_an_older_version_did_not_have_is_a_change_only_where_it_is_used(
    world: World, pen: str, changes: list[str]
):
    state = await create(world)
    older = Properties({name: value for name, value in state.outputs.values.items() if name != "penType"})
    found = await difference(world.inventory(), older, wish(penType=pen))
    assert list(found.changes) == changes


@pytest.mark.parametrize(("in_the_id", "replaces"), [(False, ()), (True, ("penType",))])
async def test_an_identity_that_an_older_version_did_not_know_replaces_only_what_has_another_id(
    world: World, in_the_id: bool, replaces: tuple[str, ...]
):
    def identify(inputs: Any) -> str:
        return f"{inputs.name}/{inputs.pen_type}" if in_the_id else inputs.name

    verbs = Verbs(replace(NOTE, identity=("name", "pen_type"), identify=identify))
    state = await create(world, wish(penType="chalk"), verbs=verbs)
    older = Properties({name: value for name, value in state.outputs.values.items() if name != "penType"})
    found = await verbs.difference(world.inventory(), older, wish(penType="chalk"), Told().reporter)
    assert tuple(found.replaces) == replaces


async def test_another_identity_is_a_replacement_that_deletes_first(world: World):
    state = await create(world)
    found = await difference(world.inventory(), state.outputs, wish(name="diary"))
    assert found.replaces == ("name",)
    assert found.delete_first


async def test_an_unknown_wish_is_a_change_to_come(world: World):
    state = await create(world)
    news = wish(unknown=frozenset({"text"}), text=None)
    assert (await difference(world.inventory(), state.outputs, news)).changes == {"text": Change.UPDATE}


async def test_an_unknown_identity_replaces(world: World):
    state = await create(world)
    news = wish(unknown=frozenset({"name"}), name=None)
    assert (await difference(world.inventory(), state.outputs, news)).replaces == ("name",)


# --- read and import ---


async def test_read_tells_what_drifted_and_keeps_the_wish(world: World):
    state = await create(world, wish(colour="blue"))
    world.machines["box"].put("/notes/shopping", note(text="beer", colour="red"))
    found = await VERBS.read(world.inventory(), URN, state, Told().reporter)
    assert (found.outputs.values["text"], found.outputs.values["colour"]) == ("beer", "red")
    assert found.inputs == state.inputs


async def test_read_of_what_is_gone_has_no_id(world: World):
    state = await create(world)
    del world.machines["box"].files["/notes/shopping"]
    assert (await VERBS.read(world.inventory(), URN, state, Told().reporter)).id == ""


async def test_read_keeps_the_mark_of_a_secret(world: World):
    state = await create(world, wish(frozenset({"text"})))
    world.machines["box"].put("/notes/shopping", note(text="somebody else's"))
    found = await VERBS.read(world.inventory(), URN, state, Told().reporter)
    assert "text" in found.outputs.secret


async def test_import_adopts_the_true_properties(world: World):
    world.machines["box"].put("/notes/shopping", note(text="eggs", colour="red", lines=["a"]))
    found = await VERBS.read(world.inventory(), URN, State("box/shopping", Properties()), Told().reporter)
    assert found.id == "box/shopping"
    assert found.inputs.values["text"] == "eggs"
    assert found.inputs.values["colour"] == "red"
    news = wish(text="eggs", colour="red", lines=["a"])
    assert (await difference(world.inventory(), found.outputs, news)).changes == {}
    await delete(world, found)
    assert world.machines["box"].text("/notes/shopping") is not None


async def test_import_of_what_is_not_there_says_so(world: World):
    with pytest.raises(InvalidInput, match="nothing to adopt"):
        await VERBS.read(world.inventory(), URN, State("box/none", Properties()), Told().reporter)


@pytest.mark.parametrize("resource_id", ["shopping", "", "box/"])
async def test_import_of_no_id_at_all_says_what_ids_are(world: World, resource_id: str):
    with pytest.raises(InvalidInput):
        await VERBS.read(world.inventory(), URN, State(resource_id, Properties()), Told().reporter)


async def test_a_kind_that_can_not_be_imported_says_so(world: World):
    verbs = Verbs(replace(NOTE, parse=None))
    with pytest.raises(InvalidInput, match="can't be imported"):
        await verbs.read(world.inventory(), URN, State("box/x", Properties()), Told().reporter)


def test_every_kind_has_verbs():
    from providers.kinds.table import FORMERLY, TABLE

    assert {token: kind.token for token, kind in TABLE.items()} == {token: token for token in TABLE}
    assert {kind.formerly: kind.token for kind in TABLE.values() if kind.formerly} == FORMERLY
    one_on_each_machine = {kind.name for kind in TABLE.values() if not Verbs(kind).desired.identity}
    assert one_on_each_machine == {"GpuReservation"}


# --- outputs that are secret by themselves ---


async def test_what_a_kind_calls_secret_is_secret_in_every_output_although_no_input_is(world: World):
    verbs = Verbs(replace(NOTE, secret_outputs=("serial",)))
    state = await create(world, verbs=verbs)
    assert state.outputs.secret == {"serial"}
    found = await verbs.read(world.inventory(), URN, state, Told().reporter)
    assert found.outputs.secret == {"serial"}
    assert found.inputs.secret == frozenset()
    assert verbs.desired.planned(wish(), state.outputs).secret == {"serial"}


# --- what goes out in one exchange ---


async def test_nothing_is_changed_where_the_record_of_what_was_before_could_not_be_written(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", json.dumps({"text": "bread"}))
    before = dict(box.files)
    box.breaks = [("write", "/var/lib/hearth/records", HearthError("no space left")) for _ in range(6)]
    with pytest.raises(HearthError, match="no space"):
        await VERBS.create(world.inventory(), URN, wish(), 0, Told().reporter)
    assert [op for op in box.changes() if "/notes/" in op] == []
    assert {path: each for path, each in box.files.items() if path in before} == before


async def test_the_record_goes_out_before_the_change_that_it_is_for(world: World):
    box = world.machines["box"]
    await VERBS.create(world.inventory(), URN, wish(), 0, Told().reporter)
    written = [args["path"] for op, args in box.requests if op == "write"]
    record = next(at for at, path in enumerate(written) if path.startswith("/var/lib/hearth/records/"))
    assert written[-1].startswith("/notes/")
    assert record < len(written) - 1
