"""The kind CommandOutput, against a machine in memory."""

from __future__ import annotations

import pytest

from providers.errors import CommandFailed
from providers.kinds.command_output import KIND, CommandOutputInputs, apply, observe, restore
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import FakeSession

WISH = CommandOutputInputs(host="box", name="podman", command=["podman", "--version"])


async def test_a_fact_is_what_the_command_wrote_without_blanks():
    session = FakeSession().on("podman --version", "podman version 5.4.2\n")
    facts = await observe(session, WISH)
    assert facts.present
    assert facts.answer == "podman version 5.4.2"
    assert KIND.differences(WISH, facts) == {}


async def test_a_fact_is_asked_as_the_user_it_names():
    session = FakeSession().on("podman --version", "x")
    await observe(session, WISH.model_copy(update={"user": "secondbrain"}))
    assert [call.user for call in session.calls] == ["secondbrain"]


async def test_a_command_that_fails_is_no_error_for_a_refresh_and_one_for_a_creation():
    session = FakeSession().on("podman --version", Completed(127, "", "podman: not found"))
    facts = await observe(session, WISH)
    assert not facts.present
    with pytest.raises(CommandFailed, match="exit status 127") as caught:
        await apply(session, WISH, facts)
    assert "podman: not found" in str(caught.value)
    assert "depends_on" in str(caught.value)


async def test_destroying_a_fact_runs_nothing():
    session = FakeSession()
    await restore(session, WISH, (await observe(FakeSession().on("podman", ""), WISH)))
    assert session.lines() == []


def test_a_fact_needs_a_command():
    with pytest.raises(ValueError, match="must hold a program"):
        CommandOutputInputs(host="box", name="x", command=[])


async def test_another_command_takes_the_place_of_the_first():
    session = FakeSession().on("podman info", "rootless")
    changed = WISH.model_copy(update={"command": ["podman", "info"]})
    await apply(session, changed, await observe(session, changed))
    assert session.lines() == ["podman info"]
