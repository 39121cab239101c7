"""The file of secrets: only a file of our own that nobody else can read or change, and never waited for."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from config.secrets_file import LARGEST, read

KNOWN = ("secondbrain-smb-password", "core-secret-key")
CANARY = "canary-3f9c"


def wrong(path: Path) -> str:
    started = time.monotonic()
    found, mistakes, _ = read(path, "hearth:secrets-file", KNOWN)
    assert time.monotonic() - started < 5
    assert found == {}
    (mistake,) = mistakes
    assert CANARY not in str(mistake)
    assert mistake.remedy
    return mistake.rule


def file(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "secrets.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "must be a file" in wrong(tmp_path / "pipe")


def test_a_folder_a_device_and_a_socket_are_refused(tmp_path: Path):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    with listening:
        rules = [wrong(path) for path in (tmp_path, Path("/dev/zero"), tmp_path / "socket")]
    assert all("must be" in rule for rule in rules)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_of_any_depth_is_refused_without_a_traceback(tmp_path: Path, opening: str, closing: str):
    depth = 100_000
    assert "must hold one JSON object" in wrong(file(tmp_path, f"{opening * depth}1{closing * depth}"))


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = file(tmp_path, json.dumps({"core-secret-key": CANARY}))
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
    assert "must be your own file" in wrong(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o620, 0o677])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int):
    assert f"its mode is 0{mode:o}" in wrong(file(tmp_path, "{}", mode))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (f'{{"core-secret-key": "{CANARY}"', "line 1, column"),
        (f"core-secret-key={CANARY}\n", "line 1, column 1"),
        (b'{"core-secret-key": "\xff"}', "not UTF-8"),
        (f'{{"core-secret-key": "{CANARY}", "core-secret-key": "b"}}', "stands there twice"),
        ('{"core-secret-key": 1}', '"core-secret-key" is none'),
        ('{"core-secret-key": null}', '"core-secret-key" is none'),
        ('{"core-secret-key": "\\ud800"}', "lone surrogate"),
        ('"text"', "one JSON object"),
        ("", "line 1, column 1"),
        (b"\0" * 10, "must be a JSON file"),
        (" " * (LARGEST + 1), "must have at most"),
    ],
)
def test_such_a_content_is_refused_without_showing_it(tmp_path: Path, content: str | bytes, rule: str):
    assert rule in wrong(file(tmp_path, content))


def test_what_is_right_is_read_and_an_absent_file_is_told_apart(tmp_path: Path):
    path = file(tmp_path, json.dumps({"core-secret-key": "ü'\"\\"}), 0o400)
    assert read(path, "hearth:secrets-file", KNOWN) == ({"core-secret-key": "ü'\"\\"}, [], True)
    found, mistakes, is_there = read(tmp_path / "none", "hearth:secrets-file", KNOWN)
    assert (found, [mistake.rule for mistake in mistakes], is_there) == ({}, ["must be there"], False)
