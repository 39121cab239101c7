"""Property values between Pulumi's wire and the verbs."""

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

from providers.plugin.values import OUTPUT, SECRET, SIGNATURE, UNKNOWN, Properties, decode, encode


def wire(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "value": value}


def output(**parts: Any) -> dict[str, Any]:
    return {SIGNATURE: OUTPUT, **parts}


def test_the_marks_are_those_of_the_sdk():
    of_the_sdk = (rpc._special_sig_key, rpc._special_secret_sig, rpc._special_output_value_sig, rpc.UNKNOWN)
    assert of_the_sdk == (SIGNATURE, SECRET, OUTPUT, UNKNOWN)


def test_plain_values_keep_their_types():
    found = decode(wire({"text": "a", "number": 3, "part": 1.5, "yes": True, "list": ["a", 2], "map": {"k": "v"}}))
    assert found.values == {"text": "a", "number": 3, "part": 1.5, "yes": True, "list": ["a", 2], "map": {"k": "v"}}
    assert isinstance(found.values["number"], int)
    assert isinstance(found.values["part"], float)
    assert not found.secret
    assert not found.unknown


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (secret("s3cret"), "s3cret"),
        (["a", secret("s3cret")], ["a", "s3cret"]),
        ([["a", [secret("s3cret")]]], [["a", ["s3cret"]]]),
        ({"inner": {"deep": [secret("s3cret")]}}, {"inner": {"deep": ["s3cret"]}}),
        (output(value="s3cret", secret=True), "s3cret"),
        (secret(secret("s3cret")), "s3cret"),
        (secret({"a": ["s3cret"]}), {"a": ["s3cret"]}),
    ],
)
def test_a_secret_at_any_depth_marks_its_property(value: Any, plain: Any):
    found = decode(wire({"it": value, "other": "x"}))
    assert found.values["it"] == plain
    assert found.secret == {"it"}
    assert "s3cret" in set(found.texts())


@pytest.mark.parametrize("value", [UNKNOWN, ["a", UNKNOWN], {"a": [UNKNOWN]}, output(), output(dependencies=["u"])])
def test_something_unknown_at_any_depth_marks_its_property(value: Any):
    found = decode(wire({"it": value, "other": "x"}))
    assert found.unknown == {"it"}
    assert not found.secret


@pytest.mark.parametrize(
    "value",
    [secret(UNKNOWN), output(secret=True), ["a", secret(UNKNOWN)], [secret("b"), UNKNOWN], secret(["a", UNKNOWN])],
)
def test_what_is_secret_and_unknown_is_both_and_stays_both(value: Any):
    found = decode(wire({"it": value}))
    assert found.secret == {"it"}
    assert found.unknown == {"it"}
    again = decode(encode(found))
    assert again.secret == {"it"}
    assert again.unknown == {"it"}


def test_a_property_with_a_nested_secret_goes_back_wholly_secret():
    back = encode(decode(wire({"it": ["a", secret("s3cret")], "plain": "b"})))
    assert json_format.MessageToDict(back) == {"it": secret(["a", "s3cret"]), "plain": "b"}


def test_a_null_is_left_out_even_where_it_is_secret():
    assert json_format.MessageToDict(encode(Properties({"a": None, "b": 1}, frozenset({"a"})))) == {"b": 1.0}


def test_a_null_inside_a_list_stays_in_its_place():
    assert decode(encode(Properties({"a": ["x", None, "y"]}))).values == {"a": ["x", None, "y"]}


def test_values_survive_the_wire():
    values = {"t": "ü\n", "n": -4, "f": 0.25, "b": False, "l": [1, "x", [True]], "m": {"a": {"b": "c"}}, "e": ""}
    assert decode(encode(Properties(values, frozenset({"m"})))) == Properties(values, frozenset({"m"}))


def test_a_mark_for_a_property_that_is_not_there_makes_none():
    assert json_format.MessageToDict(encode(Properties({"a": 1}, frozenset({"gone"})))) == {"a": 1.0}


def test_secret_texts_are_named_whole_and_line_by_line():
    found = Properties({"it": ["one\ntwo"], "open": "three"}, frozenset({"it"}))
    assert set(found.texts()) == {"one\ntwo", "one", "two"}


def test_a_value_without_a_form_on_the_wire_is_a_mistake_that_names_its_type():
    with pytest.raises(TypeError, match="a set has no form"):
        encode(Properties({"a": {1}}))


@pytest.mark.parametrize(("text", "sent"), [("caf\udce9", "caf\\xe9"), ("ü\udcff", "ü\\xff"), ("\ud800", "\\ud800")])
def test_what_is_no_text_is_sent_so_that_it_can_be_shown(text: str, sent: str):
    assert decode(encode(Properties({"it": text, "l": [text]}))).values == {"it": sent, "l": [sent]}
