"""An error that says that nothing was changed is taken at its word only where that is so."""

from __future__ import annotations

import asyncio
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
