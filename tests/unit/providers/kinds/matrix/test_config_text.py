"""An instance's config: text, mapping, and what of it is ours."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.kinds.matrix.config_text import dumps, loads, merged, missing, ours

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "yes",
        "on",
        "null",
        "~",
        "1e3",
        "0o17",
        "0x1f",
        "1_000",
        "12:30:45",
        "=",
        "<<",
        "- a",
        "a: b",
        "#x",
        "|",
        "\x7f",
        "\x85",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_again_by_maubots_own_parser(config: dict[str, Any]):
    assert loads(dumps(config)) == config


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "just text", "a: 1\na: 2\n"])
def test_what_is_no_mapping_holds_nothing(text: str):
    assert loads(text) == {}


def test_only_the_wished_keys_count_at_every_depth():
    found = {"a": {"b": 1, "c": 2}, "d": 3, "e": 4}
    assert ours(found, {"a": {"b": 9}, "e": 4, "new": 1}) == {"a": {"b": 1}, "e": 4}
    assert ours({"a": 1}, {"a": {"b": 1}}) == {"a": 1}


def test_a_wish_is_laid_over_what_was_found_and_lists_are_taken_whole():
    found = {"a": {"b": 1, "c": 2}, "rooms": ["x"], "kept": True}
    assert merged(found, {"a": {"b": 9}, "rooms": []}) == {"a": {"b": 9, "c": 2}, "rooms": [], "kept": True}
    assert merged({"a": 1}, {"a": {"b": 1}}) == {"a": {"b": 1}}


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_was_merged_lacks_nothing_of_the_wish(found: dict[str, Any], wish: dict[str, Any]):
    assert missing(merged(found, wish), wish) == []
    assert ours(merged(found, {}), {}) == {}


def test_what_a_plugin_dropped_is_named_by_its_path():
    assert missing({"a": {"b": 1}}, {"a": {"b": 1, "x": 2}, "y": {"z": 1}}) == ["a.x", "y"]
