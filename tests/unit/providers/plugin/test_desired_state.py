"""Inputs that are checked, previews that promise, and messages that keep secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.plugin.reporter import redacted
from providers.plugin.values import Properties
from tests.unit.providers.plugin.verb_helpers import VERBS, wish


def check(secret: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset(), **values: Any):
    return VERBS.desired.check(Properties(values, secret, unknown))


def test_check_fills_in_defaults_and_canonical_forms():
    checked, failures = check(host="box", name="n", text=" milk ")
    assert failures == []
    assert checked.values["text"] == "milk"
    assert checked.values["penType"] == "ink"


def test_check_names_every_mistake_with_value_rule_and_consequence():
    _, failures = check(host="", text="MILK", nmae="n")
    assert dict(failures).keys() == {"host", "name", "text", "nmae"}
    told = dict(failures)
    assert "must be in lowercase letters" in told["text"]
    assert "'MILK'" in told["text"]
    assert "nothing was touched" in told["text"]
    assert "has no property 'nmae'; it has: colour, host, lines, name, penType, size, text" in told["nmae"]


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
    planned = VERBS.desired.planned(wish(frozenset({"text"})))
    assert planned.values["text"] == "milk"
    assert planned.secret == {"text"}
    assert planned.unknown == {"serial", "machine", "size"}


def test_a_preview_of_an_update_keeps_the_outputs_that_are_known():
    old = Properties({"serial": 3, "machine": {"id": "i", "address": "box"}})
    planned = VERBS.desired.planned(wish(), old)
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


def test_a_word_of_a_secret_text_is_taken_out_as_well():
    secret = Properties({"text": "username=ann\npassword=hunter2-hunter2\n"}, frozenset({"text"}))
    assert redacted([secret])("mount: bad option hunter2-hunter2 for ann") == "mount: bad option [secret] for ann"
