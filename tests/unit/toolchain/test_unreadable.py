"""A stack's file is readied for who can't read what is encrypted in it; all else in it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from toolchain.errors import ToolchainError
from toolchain.stack.unreadable import is_readable, ready_for_preview, without_secrets

FILE = """\
# A comment that stays.
encryptionsalt: v1:abc=:v1:def:ghi
config:
  hearth:hosts:
    brain: {}
  hearth:core-secret-key:
    secure: v1:canary
  hearth:core-postgres-password:   # a secret
    secure: v1:canary
  "hearth:todo-auth-secret": {secure: v1:canary}
  hearth:todo-tls-key:
    secure: >-
      v1:canary
      canary
  hearth:core:
    host: brain
    secure-looking: {secures: x}
  hearth:ssh-config: .lab/ssh_config
"""
GONE = ["hearth:core-secret-key", "hearth:core-postgres-password", "hearth:todo-auth-secret", "hearth:todo-tls-key"]


def test_salt_and_secrets_go_and_nothing_else() -> None:
    kept, gone = without_secrets(FILE)
    assert gone == GONE
    assert "canary" not in kept
    assert "encryptionsalt" not in kept
    assert "# A comment that stays." in kept
    found = yaml.safe_load(kept)
    before = yaml.safe_load(FILE)
    assert found["config"] == {key: value for key, value in before["config"].items() if key not in GONE}


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_with_a_passphrase_the_file_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(FILE)
    assert ready_for_preview(path, {name: "x"}) is None
    assert path.read_text() == FILE
    assert ready_for_preview(path, {name: ""}) == GONE
    assert ready_for_preview(path, {}) is None, "nothing is encrypted in it any more"


def test_a_file_without_a_salt_or_none_at_all_is_left_alone(tmp_path: Path) -> None:
    assert is_readable("config: {}\n", {})
    assert ready_for_preview(tmp_path / "none.yaml", {}) is None


def test_what_is_encrypted_within_a_group_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(
        "encryptionsalt: v1:a\nconfig:\n  hearth:core:\n    host: pi\n    postgres:\n      user: {secure: v1:canary}\n"
    )
    assert ready_for_preview(path, {}) == ["user"]
    assert yaml.safe_load(path.read_text())["config"]["hearth:core"]["host"] == "pi"


def test_what_can_not_be_taken_out_is_said_and_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    text = '{"encryptionsalt": "v1:a", "config": {"hearth:core-secret-key": {"secure": "v1:canary"}}}'
    path.write_text(text)
    with pytest.raises(ToolchainError, match="Nothing was changed"):
        ready_for_preview(path, {})
    assert path.read_text() == text
