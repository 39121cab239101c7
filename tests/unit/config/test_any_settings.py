"""Whatever stands wherever in the settings: it is taken, or each mistake is said in words; never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config.loader import parse
from config.mistakes import WrongSettings
from tests.unit.config.test_example import secrets, whole
from toolchain.versions import ROOT

Place = tuple[str | int, ...]
BASE = whole()
SECRETS = secrets()


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield every place in the example's settings of five systems."""
    yield at
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*at, key))


PLAIN = [None, True, 0, -1, 1.5, 10**30, float("inf"), float("nan"), "", " ", "\0", "\ud800", "\u202e", "a", "a" * 5000]
TEXTS = [
    "1",
    "::1",
    "fe80::1%x",
    "10.0.0.1/24",
    "/",
    "/a/b/c",
    "..",
    "-x",
    "http://[",
    "http://[::1",
    "[]",
    "{}",
    "a:b",
]
GROUPS: list[Any] = [[], [None], [[]], {}, {"": ""}, {"a": {}}, {"secure": "x"}, [{"secure": "x"}]]
ODD = st.sampled_from([*PLAIN, *TEXTS, *GROUPS])
anything = ODD | st.text(max_size=12) | st.integers() | st.floats() | st.lists(ODD, max_size=2)
words = ("Input", "String", "Value", "List", "Dictionary", "Tuple", "Set", "Unable")
"""What pydantic's own messages begin with."""


def mistakes_in(values: dict[str, Any]) -> WrongSettings | None:
    """Return what the loader says of settings; None where it takes them."""
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    try:
        parse(written | SECRETS, set(SECRETS), ROOT)
    except WrongSettings as error:
        return error
    return None


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*places(BASE)][1:]), anything, min_size=1, max_size=3))
def test_any_value_at_any_place_is_taken_or_refused_in_words(changes: dict[Place, Any]) -> None:
    values = json.loads(json.dumps(BASE))
    for place, value in changes.items():
        at: Any = values
        try:
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # another change took the place away
    found = mistakes_in(values)
    assert found is None or str(found).replace("\n", "").isprintable()
    for mistake in found.mistakes if found else ():
        assert mistake.remedy
        assert not mistake.rule.startswith(words), mistake


def test_what_nobody_sees_is_written_out_where_a_mistake_shows_it() -> None:
    found = str(mistakes_in({**BASE, "co\u202ere": "x", "lost": '["a\\u001b[31m"]'}))
    assert "hearth:co\\u202ere is not a key" in found
    assert "\x1b" not in found
