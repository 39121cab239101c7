"""A stack's file that somebody other than Pulumi reads: what is wrong is said with file, line and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks.stack import StackUnknown, machines_of
from config.mistakes import WrongSettings
from config.stack_file import encrypted_places, settings

CANARY = "canary-71bd"
BROKEN = [
    ("config:\n  hearth:hosts:\n\tbrain: {}\n", 3, "no tabs"),
    (f"config:\n  a: x: {CANARY}\n", 2, "in quotes"),
    ("config:\n  a: [1, 2\n  b: 3\n", 3, "close the quote or the bracket|correct that line"),
    (f"config:\n  a: '{CANARY}\n", 3, "close the quote"),
    ("config:\n  a: @b\n", 2, "in quotes"),
    ("config:\n  a: *b\n", 2, "in quotes"),
    ("config:\n  a: 1\n   b: 2\n", 3, "correct that line|in quotes"),
    ("config:\n  - a\n  b: 2\n", 3, "correct that line"),
    ("config:\n  a: \x07\n", 0, "correct that line"),
]


@pytest.mark.parametrize(("text", "line", "remedy"), BROKEN)
def test_broken_yaml_names_file_line_and_what_to_do(tmp_path: Path, text: str, line: int, remedy: str):
    path = tmp_path / "Pulumi.trial.yaml"
    path.write_text(text)
    with pytest.raises(WrongSettings) as caught:
        machines_of(path)
    message = str(caught.value)
    assert "Pulumi.trial.yaml" in message
    assert not line or f"line {line}" in message
    assert re.search(f"What to do: .*({remedy})", message)
    assert CANARY not in message
    assert "Traceback" not in message


@pytest.mark.parametrize("text", ["[]", "text", "config: []", "config: 3", "- config"])
def test_what_is_no_group_of_keys_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "Pulumi.trial.yaml"
    path.write_text(text)
    with pytest.raises(WrongSettings, match="must be a group of keys"):
        settings(path)


def test_bytes_that_are_no_text_and_endless_nesting_are_refused(tmp_path: Path):
    path = tmp_path / "Pulumi.trial.yaml"
    for content, rule in (
        (b"config: \xff\n", "UTF-8"),
        (b"a: " + b"[" * 5000, "nested|no YAML"),
        (b"a: 2026-02-31", "read"),
    ):
        path.write_bytes(content)
        with pytest.raises(WrongSettings, match=rule):
            settings(path)


def test_a_file_that_is_not_there_is_another_mistake(tmp_path: Path):
    with pytest.raises(StackUnknown, match="can't be read"):
        machines_of(tmp_path / "Pulumi.none.yaml")


def test_an_empty_file_has_no_settings(tmp_path: Path):
    path = tmp_path / "Pulumi.trial.yaml"
    path.write_text("")
    assert settings(path) == {}


def test_encrypted_places_are_found_in_groups_and_lists(tmp_path: Path):
    path = tmp_path / "Pulumi.trial.yaml"
    path.write_text(
        "config:\n  hearth:core:\n    host: pi\n    backend: {image: {secure: v1}}\n    more: [a, {secure: v1}]\n"
        "  hearth:core-secret-key: {secure: v1}\n  hearth:hosts: {pi: {}}\n  other:x: {secure: v1}\n"
    )
    assert encrypted_places(path, "hearth") == {"core": ["backend.image", "more[1]"], "core-secret-key": [""]}
    path.write_text("a: [")
    assert encrypted_places(path, "hearth") == {}
