"""An error that says that nothing was changed is taken at its word only where that is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from providers.errors import GivenUp, InvalidInput, NotConverged, Untouched
from providers.machine.session import Session
from providers.plugin.state import HalfDone
from providers.plugin.verbs import Verbs
from tests.unit.providers.plugin.memory_machine import NOTE, NoteFacts, NoteInputs, World, note_path, world
from tests.unit.providers.plugin.test_verbs import URN, Told, wish

__all__ = ["world"]


@pytest.mark.parametrize("error", [InvalidInput, Untouched])
@pytest.mark.parametrize(
    ("path", "changed"),
    [("/notes/other", True), ("/var/lib/hearth/notes", False), ("/run/hearth/new-1", False), (None, False)],
)
async def test_a_refusal_after_a_change_is_none(world: World, error: type[Untouched], path: str | None, changed: bool):
    async def apply(session: Session, inputs: NoteInputs, facts: NoteFacts) -> None:
        if path is not None:
            await session.write(path, b"")
        raise error(f"{note_path(inputs)} can't be; nothing was changed", remedy="write another")

    verbs = Verbs(replace(NOTE, apply=apply))
    box = world.machines["box"]
    if not changed:
        with pytest.raises(error, match="can't be; nothing was changed"):
            await verbs.create(world.inventory(), URN, wish(), 0.0, Told().reporter)
        assert box.records() == []
        return
    with pytest.raises(HalfDone) as caught:
        await verbs.create(world.inventory(), URN, wish(), 0.0, Told().reporter)
    assert isinstance(caught.value.__cause__, NotConverged)
    assert "nothing was changed" not in str(caught.value.__cause__)
    assert "/notes/shopping can't be" in str(caught.value.__cause__)
    assert len(box.records()) == 1


async def test_what_was_waited_for_until_the_deadline_is_the_reason_that_is_told(world: World):
    async def apply(session: Session, inputs: NoteInputs, facts: NoteFacts) -> None:
        await asyncio.sleep(0.6)
        raise GivenUp("apt is still locked; nothing was changed", remedy="let it finish")

    with pytest.raises(GivenUp, match="apt is still locked; nothing was changed"):
        await Verbs(replace(NOTE, apply=apply)).create(world.inventory(), URN, wish(), 0.5, Told().reporter)
    assert world.machines["box"].records() == []


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a is b; nothing was changed", "a is b"),
        ("a is b. Nothing was changed", "a is b"),
        ("a is b, so nothing was touched there", "a is b there"),
        ("a is b, and nothing was changed; c says:", "a is b; c says:"),
    ],
)
def test_what_was_changed_is_not_said_to_be_unchanged(said: str, left: str):
    assert Untouched(said).after_a_change().summary == left


async def test_a_change_that_was_refused_leaves_the_record_as_it_was(world: World):
    def widen(before: NoteFacts, now: NoteFacts) -> NoteFacts:
        return before.model_copy(update={"lines": [*before.lines, now.text]})

    async def refuse(session: Session, inputs: NoteInputs, facts: NoteFacts) -> None:
        raise InvalidInput("milk can't be had", remedy="buy bread")

    box = world.machines["box"]
    verbs = Verbs(replace(NOTE, widen=widen))
    state = await verbs.create(world.inventory(), URN, wish(), 0.0, Told().reporter)
    records = box.records()
    refusing = Verbs(replace(NOTE, widen=widen, apply=refuse))
    with pytest.raises(InvalidInput):
        await refusing.update(world.inventory(), URN, state, wish(text="bread", colour="red"), 0.0, Told().reporter)
    assert box.records() == records
    await verbs.update(world.inventory(), URN, state, wish(text="bread"), 0.0, Told().reporter)
    assert [record["before"]["lines"] for record in box.records()] == [["milk"]]


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.write("/notes/x", b""),
        lambda session: session.set_attributes("/notes/x", mode="0600"),
        lambda session: session.symlink("/notes/x", "y"),
        lambda session: session.make_directory("/notes/x", mode="0755", owner="root", group="root"),
        lambda session: session.remove("/notes/x"),
        lambda session: session.tree("put", "/notes"),
        lambda session: session.restart(),
    ],
)
async def test_a_look_can_not_change_anything(world: World, change: Callable[[Session], Awaitable[object]]):
    async def observe(session: Session, inputs: NoteInputs) -> NoteFacts:
        await change(session)
        return NoteFacts(present=True)

    with pytest.raises(RuntimeError, match="a look changes nothing"):
        await Verbs(replace(NOTE, observe=observe)).create(world.inventory(), URN, wish(), 0.0, Told().reporter)
    assert world.machines["box"].changes() == []
