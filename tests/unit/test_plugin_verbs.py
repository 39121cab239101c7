"""Pulumi's verbs over a toy kind, on machines in memory."""

import json
from dataclasses import replace
from typing import Any

import pytest

from providers.errors import CommandFailed, ConnectionFailed, HearthError, InvalidInput, WishNotFulfilled
from providers.kind import Kind
from providers.plugin.values import Properties
from providers.plugin.verbs import Change, Difference, HalfDone, State, Tellers, Verbs, redacted
from tests.unit.memory_machine import NO_ANSWER, NOTE, MemoryMachine, World, world

__all__ = ["world"]
URN = "urn:pulumi:dev::estate::hearth:test:Note::shopping"
VERBS = Verbs(NOTE)


class Told:
    def __init__(self) -> None:
        self.progress: list[str] = []
        self.warnings: list[str] = []
        self.tellers = Tellers(self.progress.append, self.warnings.append)


def wish(secret: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset(), **values: Any) -> Properties:
    inputs = {"host": "box", "name": "shopping", "text": "milk", **values}
    checked, failures = VERBS.check(Properties(inputs, secret, unknown))
    assert failures == []
    return checked


def note(**values: Any) -> str:
    return json.dumps({"text": "milk", "colour": None, "lines": [], "serial": 7, **values})


async def create(world: World, news: Properties | None = None, urn: str = URN, verbs: Any = VERBS) -> State:
    return await verbs.create(world.estate(), urn, news or wish(), 0.0, Told().tellers)


async def difference(estate: Any, old: Properties, new: Properties, told: Told | None = None) -> Difference:
    return await VERBS.difference(estate, old, new, (told or Told()).tellers)


async def delete(world: World, state: State, urn: str = URN, told: Told | None = None, **estate: Any) -> None:
    await VERBS.delete(world.estate(**estate), urn, state, 0.0, (told or Told()).tellers)


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
        "serial": 1,
        "machine": {"id": "id-of-box", "address": "box"},
    }


async def test_create_writes_the_record_before_it_applies(world: World):
    box = world.machines["box"]
    await create(world)
    *records, thing = [args["path"] for op, args in box.requests if op == "write"]
    assert all(path.startswith("/var/lib/hearth/records/") for path in records)
    assert thing == "/notes/shopping"
    (record,) = box.records()
    assert record["urn"] == URN
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
    state = await VERBS.update(world.estate(), URN, kept, wish(), 0.0, Told().tellers)  # what the next `up` does
    await delete(world, state)
    assert box.text("/notes/shopping") is None


async def test_a_creation_that_touched_nothing_leaves_no_state(world: World):
    box = world.machines["box"]
    box.breaks.append(("write", "/var/lib/hearth/records", HearthError("no space left")))
    box.breaks *= 5
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
    assert isinstance(caught.value.__cause__, WishNotFulfilled)


async def test_a_secret_wish_that_does_not_hold_is_not_shown(world: World):
    async def idle(_session: Any, _inputs: Any, _facts: Any) -> None:
        return

    world.machines["box"].put("/notes/shopping", note(text="eggs"))
    with pytest.raises(HalfDone) as caught:
        await create(world, wish(frozenset({"text"})), verbs=Verbs(replace(NOTE, apply=idle)))
    assert "text: a secret" in str(caught.value)
    assert "milk" not in str(caught.value)


async def test_a_connection_that_drops_in_the_middle_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("providers.plugin.machines.RECONNECT", 10.0)
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
    state = await VERBS.update(world.estate(), URN, state, wish(text="beer", colour="blue"), 0.0, Told().tellers)
    assert state.outputs.values["text"] == "beer"
    assert len(box.records()) == 1
    await delete(world, state)
    assert json.loads(box.text("/notes/shopping") or "") == json.loads(note(text="eggs", colour="red"))


async def test_nothing_to_change_is_no_difference_and_opens_no_connection(world: World):
    state = await create(world)
    world.opened.clear()
    found = await difference(world.estate(), state.outputs, wish())
    assert found.changes == {}
    assert found.replaces == ()
    assert world.opened == []


async def test_each_kind_of_change_is_told_apart(world: World):
    state = await create(world, wish(colour="blue"))
    found = await difference(world.estate(), state.outputs, wish(text="beer", colour="red", penType="chalk"))
    assert found.changes == {"text": Change.UPDATE, "colour": Change.UPDATE, "penType": Change.UPDATE}
    assert found.replaces == ()


async def test_a_field_that_nobody_manages_is_neither_a_difference_nor_changed(world: World):
    box = world.machines["box"]
    box.put("/notes/shopping", note(text="eggs", colour="red"))
    state = await create(world)
    assert json.loads(box.text("/notes/shopping") or "")["colour"] == "red"
    assert state.outputs.values["colour"] is None
    assert (await difference(world.estate(), state.outputs, wish())).changes == {}


async def test_a_field_that_is_no_longer_managed_is_no_difference(world: World):
    state = await create(world, wish(colour="blue"))
    assert (await difference(world.estate(), state.outputs, wish())).changes == {}


async def test_a_field_that_becomes_managed_is_added(world: World):
    state = await create(world)
    assert (await difference(world.estate(), state.outputs, wish(colour="red"))).changes == {"colour": Change.ADD}


async def test_a_change_that_the_machine_can_not_show_is_applied(world: World):
    state = await create(world)
    state = await VERBS.update(world.estate(), URN, state, wish(penType="chalk"), 0.0, Told().tellers)
    assert state.outputs.values["serial"] == 2
    assert state.outputs.values["penType"] == "chalk"


async def test_another_identity_is_a_replacement_that_deletes_first(world: World):
    state = await create(world)
    found = await difference(world.estate(), state.outputs, wish(name="diary"))
    assert found.replaces == ("name",)
    assert found.delete_first


async def test_an_unknown_wish_is_a_change_to_come(world: World):
    state = await create(world)
    news = wish(unknown=frozenset({"text"}), text=None)
    assert (await difference(world.estate(), state.outputs, news)).changes == {"text": Change.UPDATE}


async def test_an_unknown_identity_replaces(world: World):
    state = await create(world)
    news = wish(unknown=frozenset({"name"}), name=None)
    assert (await difference(world.estate(), state.outputs, news)).replaces == ("name",)


# --- delete ---


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


# --- read and import ---


async def test_read_tells_what_drifted_and_keeps_the_wish(world: World):
    state = await create(world, wish(colour="blue"))
    world.machines["box"].put("/notes/shopping", note(text="beer", colour="red"))
    found = await VERBS.read(world.estate(), state.id, state, Told().tellers)
    assert (found.outputs.values["text"], found.outputs.values["colour"]) == ("beer", "red")
    assert found.inputs == state.inputs


async def test_read_of_what_is_gone_has_no_id(world: World):
    state = await create(world)
    del world.machines["box"].files["/notes/shopping"]
    assert (await VERBS.read(world.estate(), state.id, state, Told().tellers)).id == ""


async def test_read_keeps_the_mark_of_a_secret(world: World):
    state = await create(world, wish(frozenset({"text"})))
    world.machines["box"].put("/notes/shopping", note(text="somebody else's"))
    found = await VERBS.read(world.estate(), state.id, state, Told().tellers)
    assert "text" in found.outputs.secret


async def test_import_adopts_the_true_properties(world: World):
    world.machines["box"].put("/notes/shopping", note(text="eggs", colour="red", lines=["a"]))
    found = await VERBS.read(world.estate(), "box/shopping", State("box/shopping", Properties()), Told().tellers)
    assert found.id == "box/shopping"
    assert found.inputs.values["text"] == "eggs"
    assert found.inputs.values["colour"] == "red"
    news = wish(text="eggs", colour="red", lines=["a"])
    assert (await difference(world.estate(), found.outputs, news)).changes == {}
    await delete(world, found)
    assert world.machines["box"].text("/notes/shopping") is not None


async def test_import_of_what_is_not_there_says_so(world: World):
    with pytest.raises(InvalidInput, match="nothing to adopt"):
        await VERBS.read(world.estate(), "box/none", State("box/none", Properties()), Told().tellers)


@pytest.mark.parametrize("resource_id", ["shopping", "", "box/"])
async def test_import_of_no_id_at_all_says_what_ids_are(world: World, resource_id: str):
    with pytest.raises(InvalidInput):
        await VERBS.read(world.estate(), resource_id, State(resource_id, Properties()), Told().tellers)


async def test_a_kind_that_can_not_be_imported_says_so(world: World):
    verbs = Verbs(replace(NOTE, parse=None))
    with pytest.raises(InvalidInput, match="can't be imported"):
        await verbs.read(world.estate(), "box/x", State("box/x", Properties()), Told().tellers)


# --- machines that move, and that are lost ---


def two_addresses(world: World, *, same: bool) -> MemoryMachine:
    other = world.machines["box"] if same else MemoryMachine("id-of-another")
    world.machines["attic"] = other
    return other


MOVED = {"hosts": {"box": {"address": "attic"}}}


async def test_a_new_address_of_the_same_machine_is_an_update_in_place(world: World):
    state = await create(world)
    two_addresses(world, same=True)
    estate = world.estate(**MOVED)
    told = Told()
    for _ in range(3):  # as many resources
        found = await difference(estate, state.outputs, wish(), told)
    assert told.warnings == ["box, until now at box, is the same machine: what is there is kept"]
    assert found.changes == {"machine": Change.UPDATE}
    assert found.replaces == ()
    state = await VERBS.update(estate, URN, state, wish(), 0.0, Told().tellers)
    assert state.outputs.values["machine"] == {"id": "id-of-box", "address": "attic"}
    assert state.outputs.values["serial"] == 1


async def test_another_machine_gets_it_anew_before_the_old_one_is_restored(world: World):
    state = await create(world)
    other = two_addresses(world, same=False)
    estate = world.estate(**MOVED)
    told = Told()
    found = await difference(estate, state.outputs, wish(), told)
    assert "box is another machine than the one at box" in told.warnings[0]
    assert found.replaces == ("machine",)
    assert not found.delete_first
    new = await VERBS.create(estate, URN, wish(), 0.0, Told().tellers)
    assert other.text("/notes/shopping") is not None
    await VERBS.delete(estate, URN, state, 0.0, Told().tellers)
    assert world.machines["box"].files == {}
    assert other.text("/notes/shopping") is not None
    assert new.outputs.values["machine"]["id"] == "id-of-another"


async def test_a_refresh_after_a_move_reads_the_machine_that_has_it(world: World):
    state = await create(world)
    two_addresses(world, same=False)
    found = await VERBS.read(world.estate(**MOVED), state.id, state, Told().tellers)
    assert found.id == state.id
    assert found.outputs.values["machine"] == {"id": "id-of-box", "address": "box"}


async def test_a_refresh_finds_the_same_machine_at_its_new_address(world: World):
    state = await create(world)
    two_addresses(world, same=True)
    del world.machines["box"]
    found = await VERBS.read(world.estate(**MOVED), state.id, state, Told().tellers)
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
        await VERBS.read(world.estate(), state.id, state, Told().tellers)


async def test_a_lost_machine_is_not_waited_for(world: World):
    state = await create(world)
    world.machines["box"].off = True
    world.opened.clear()
    told = Told()
    await delete(world, state, told=told, lost=["box"])
    assert "declared lost" in told.warnings[0]
    found = await VERBS.read(world.estate(lost=["box"]), state.id, state, told.tellers)
    assert found.id == ""
    assert world.opened == []


async def test_a_wish_for_a_lost_machine_is_refused(world: World):
    with pytest.raises(InvalidInput, match="declared lost"):
        await VERBS.create(world.estate(lost=["box"]), URN, wish(), 0.0, Told().tellers)


# --- check, plans, and what may be said aloud ---


def check(secret: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset(), **values: Any):
    return VERBS.check(Properties(values, secret, unknown))


def test_check_fills_in_defaults_and_canonical_forms():
    checked, failures = check(host="box", name="n", text=" milk ")
    assert failures == []
    assert checked.values["text"] == "milk"
    assert checked.values["penType"] == "ink"


def test_check_names_every_mistake_with_value_rule_and_consequence():
    _, failures = check(host="", text="MILK", nmae="n")
    assert dict(failures).keys() == {"host", "name", "text", "nmae"}
    told = dict(failures)
    assert "must be in small letters" in told["text"]
    assert "'MILK'" in told["text"]
    assert "nothing was touched" in told["text"]
    assert "has no property 'nmae'; it has: colour, host, lines, name, penType, text" in told["nmae"]


def test_check_takes_the_unknown_on_trust_and_the_rest_in_canonical_form():
    checked, failures = check(unknown=frozenset({"name"}), host="box", name=None, text=" milk ")
    assert failures == []
    assert checked.unknown == {"name"}
    assert "name" not in checked.values
    assert checked.values["text"] == "milk"
    assert checked.values["penType"] == "ink"


def test_check_finds_a_mistake_beside_something_unknown():
    _, failures = check(unknown=frozenset({"name"}), host="box", name=None, text="MILK")
    assert [place for place, _ in failures] == ["text"]


def test_check_keeps_an_unknown_secret_both():
    checked, _ = check(frozenset({"text"}), frozenset({"text"}), host="box", name="n", text=None)
    assert checked.secret == {"text"}
    assert checked.unknown == {"text"}


def test_a_wrong_type_in_a_secret_list_is_not_shown():
    _, failures = check(frozenset({"lines"}), host="box", name="n", text="milk", lines=["fine", 12345])
    assert [place for place, _ in failures] == ["lines.1"]
    assert "12345" not in failures[0][1]


def test_a_preview_promises_the_inputs_and_knows_no_outputs_yet():
    planned = VERBS.planned(wish(frozenset({"text"})))
    assert planned.values["text"] == "milk"
    assert planned.secret == {"text"}
    assert planned.unknown == {"serial", "machine"}


def test_a_preview_of_an_update_keeps_the_outputs_that_are_known():
    old = Properties({"serial": 3, "machine": {"id": "i", "address": "box"}})
    planned = VERBS.planned(wish(), old)
    assert planned.values["serial"] == 3
    assert planned.unknown == frozenset()


@pytest.mark.parametrize(
    "message",
    [
        'could not write two\'lines\nof "secret" text',
        'line 2 is `of "secret" text`',
        f"python says {'two' + chr(39) + 'lines' + chr(10) + 'of ' + chr(34) + 'secret' + chr(34) + ' text'!r}",
        "json says " + json.dumps('two\'lines\nof "secret" text'),
        "sh: 'two'\"'\"'lines'",
    ],
)
def test_a_secret_is_taken_out_of_messages_in_whatever_form_it_is_quoted(message: str):
    secret = Properties({"text": 'two\'lines\nof "secret" text'}, frozenset({"text"}))
    cleaned = redacted([secret])(message)
    assert "lines" not in cleaned.removeprefix("line 2")
    assert '"secret"' not in cleaned
    assert "[secret]" in cleaned


def test_what_is_not_secret_stays_in_messages():
    assert redacted([Properties({"text": "milk"})])("milk is sour") == "milk is sour"


def test_every_kind_has_verbs():
    from providers.kinds import KINDS

    kinds: list[Kind[Any, Any]] = list(KINDS)
    assert len({kind.token for kind in kinds}) == len(kinds)
    assert all(Verbs(kind).identity for kind in kinds)


def test_a_word_of_a_secret_text_is_taken_out_as_well():
    secret = Properties({"text": "username=ann\npassword=hunter2-hunter2\n"}, frozenset({"text"}))
    assert redacted([secret])("mount: bad option hunter2-hunter2 for ann") == "mount: bad option [secret] for ann"
