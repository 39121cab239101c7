"""A stack's file that somebody other than Pulumi reads: what is wrong is said with file, line and remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from checks.stack import StackUnknown, machines_of, settings_of
from config.mistakes import WrongSettings
from config.stack_file import encrypted_places, settings
from toolchain.versions import ROOT

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
        settings_of(tmp_path, "trial")
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
        (b"a: " + b"[" * 1000, "nested|no YAML"),
        (b"a: !!int x", "read"),
    ):
        path.write_bytes(content)
        with pytest.raises(WrongSettings, match=rule):
            settings(path)


def test_a_file_that_is_not_there_is_another_mistake(tmp_path: Path):
    with pytest.raises(StackUnknown, match="can't be read"):
        settings_of(tmp_path, "none")


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


@pytest.mark.parametrize("environment", ["[base]", "[base, own]", "{imports: [base]}", "{values: {pulumiConfig: {}}}"])
def test_environments_of_esc_are_no_mistake_and_their_settings_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    text = f"environment: {environment}\nconfig:\n  hearth:motd: {{text: from the file}}\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    # What `pulumi config --json` prints: the service alone can open an environment, and it is not here.
    whole = {
        "hearth:hosts": {"value": '{"brain":{"port":22}}', "secret": False, "objectValue": {"brain": {"port": 22}}},
        "hearth:ssh-config": {"value": "ssh_config", "secret": False},
        "hearth:core-secret-key": {"secret": True},
    }
    monkeypatch.setattr("checks.stack._asked", lambda *words: json.dumps(whole) if words[-1] == "--json" else "")
    found = settings_of(tmp_path, "dev")
    assert found == {"hearth:hosts": {"brain": {"port": 22}}, "hearth:ssh-config": "ssh_config"}
    assert machines_of(found, "Pulumi.dev.yaml").hosts["brain"].port == 22
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "config" / "settings.schema.json").read_text()))
    read = yaml.safe_load(text)
    assert list(schema.iter_errors({**read, "config": {}})) == []
    assert list(schema.iter_errors({**read, "config": {}, "environments": []})) != []
