"""The kind Script against a machine in memory, on which a flag stands for what the script does."""

import hashlib

import pytest
from pydantic import ValidationError

from providers.errors import CommandFailed
from providers.kinds.script import KIND, ScriptFacts, ScriptInputs, apply, observe, restore
from providers.machine.session import Completed
from providers.plugin.desired_state import Change, DesiredState
from providers.plugin.values import Properties
from tests.unit.providers.kinds.fake_session import Call, FakeSession

WISH = ScriptInputs(host="box", name="flag", apply="raise", check="is raised", undo="lower", user="ann")


def machine(*, raised: bool = False, undo_fails: bool = False) -> FakeSession:
    session = FakeSession()
    if raised:
        session.put("/flag")

    def answer(call: Call) -> Completed | int:
        if call.script == "raise":
            session.put("/flag")
        elif call.script == "lower" and undo_fails:
            return Completed(4, "", "no ladder\n")
        elif call.script == "lower":
            session.files.pop("/flag", None)
        elif call.script == "is raised":
            return 0 if "/flag" in session.files else 1
        elif call.script == "break":
            return Completed(3, "", "first\nthe rope is gone\n")
        return 0

    return session.on("/bin/sh", answer)


def texts(session: FakeSession) -> list[str | None]:
    return [call.script for call in session.calls]


async def test_what_does_not_hold_is_applied_and_undone():
    session = machine()
    before = await observe(session, WISH)
    assert KIND.differences(WISH, before) == {"check": ("is raised", "<does not hold: exit status 1>")}
    await apply(session, WISH, before)
    assert KIND.differences(WISH, await observe(session, WISH)) == {}
    await restore(session, WISH, before)
    assert session.files == {}


async def test_what_holds_already_is_left_before_and_after():
    session = machine(raised=True)
    before = await observe(session, WISH)
    assert KIND.differences(WISH, before) == {}
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert texts(session) == ["is raised"]


async def test_a_changed_apply_text_makes_no_difference_while_the_check_holds():
    session = machine(raised=True)
    changed = WISH.model_copy(update={"apply": "raise higher"})
    assert KIND.differences(changed, await observe(session, changed)) == {}


def test_what_the_check_depends_on_is_a_difference_of_its_own_and_its_texts_are_digests():
    desired = DesiredState(KIND)

    def checked(*texts: str) -> Properties:
        news = {"host": "box", "name": "flag", "apply": "raise", "check": "is raised", "checkOn": list(texts)}
        found, failures = desired.check(Properties(news))
        assert failures == []
        return found

    long = "0 is a line\n" * 20
    old = checked(long, "short")
    assert old.values["checkOn"] == [f"sha256:{hashlib.sha256(long.encode()).hexdigest()}", "short"]
    assert desired.check(old)[0].values == old.values, "what the state holds stays as it is"
    assert desired.differences(old, checked(long, "short")) == {}
    assert desired.differences(old, checked(f"{long}!", "short")) == {"checkOn": Change.UPDATE}
    assert desired.differences(checked(), checked("new")) == {"checkOn": Change.UPDATE}


async def test_texts_are_handed_over_as_scripts_and_show_in_no_command_line():
    session = machine()
    await apply(session, WISH, await observe(session, WISH))
    assert session.lines() == ["/bin/sh", "/bin/sh"]
    assert {call.user for call in session.calls} == {"ann"}


async def test_a_failing_apply_tells_its_exit_status_and_last_lines():
    session = machine()
    wish = WISH.model_copy(update={"apply": "break"})
    with pytest.raises(CommandFailed, match="exit status 3") as caught:
        await apply(session, wish, await observe(session, wish))
    assert caught.value.status == 3
    assert "the rope is gone" in str(caught.value)
    assert "'flag'" in str(caught.value)


async def test_a_missing_interpreter_is_an_error_and_not_a_check_that_fails():
    session = FakeSession().on("/usr/bin/perl", Completed(127, "", "/usr/bin/perl: No such file or directory"))
    with pytest.raises(CommandFailed, match="127"):
        await observe(session, WISH.model_copy(update={"interpreter": "/usr/bin/perl"}))


async def test_without_undo_a_warning_says_that_it_stays():
    session = machine(raised=True)
    await restore(session, WISH.model_copy(update={"undo": None}), ScriptFacts(present=True, holds=False))
    assert session.files
    assert any("has no `undo`" in message for message in session.messages)


async def test_a_failing_undo_is_an_error_while_the_check_holds():
    session = machine(raised=True, undo_fails=True)
    with pytest.raises(CommandFailed, match=r"`undo`.*exit status 4"):
        await restore(session, WISH, ScriptFacts(present=True, holds=False))


async def test_a_failing_undo_of_what_is_gone_already_is_a_warning():
    session = machine(undo_fails=True)
    await restore(session, WISH, ScriptFacts(present=True, holds=False))
    assert any("taken as undone" in message for message in session.messages)


def test_nothing_can_be_imported():
    assert KIND.parse is None


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "two\nlines", "printable characters"),
        ("check", "  ", "must not be empty"),
        ("interpreter", "sh", "absolute path"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        ScriptInputs.model_validate({**WISH.model_dump(), field: value})
