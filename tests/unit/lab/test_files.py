"""The lab's ssh files, its lock, its snapshots' comparison, and what its command line says when something is wrong."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from lab import Lab, LabError, Snapshot, difference
from lab.__main__ import main
from lab.docker import cli
from lab.errors import EngineError
from lab.locks import machine_lock
from lab.ssh_files import SshHost, ensure_key, render_known_hosts, render_ssh_config, write_private

BRAIN = SshHost("brain", "10.213.7.10", 22, "admin", "ssh-ed25519 AAAAkey comment")
CACHE = "/var/lib/containers/cache/blob-info-cache-v1.sqlite"
EMPTY = Snapshot({}, [], [], [], [], [], [], {})


def test_the_ssh_config_is_understood_by_asyncssh(tmp_path: Path) -> None:
    ensure_key(tmp_path)
    path = tmp_path / "ssh_config"
    path.write_text(render_ssh_config([BRAIN], tmp_path))
    options = asyncssh.SSHClientConnectionOptions(config=[path], host="brain")
    assert (options.host, options.port, options.username) == ("10.213.7.10", 22, "admin")


def test_known_hosts_name_a_machine_by_name_and_by_address(tmp_path: Path) -> None:
    text = render_known_hosts([BRAIN, replace(BRAIN, name="web", address="10.213.7.11", port=2222)])
    assert text == ("brain,10.213.7.10 ssh-ed25519 AAAAkey\n[web]:2222,[10.213.7.11]:2222 ssh-ed25519 AAAAkey\n")


def test_host_keys_are_always_verified(tmp_path: Path) -> None:
    assert "StrictHostKeyChecking yes" in render_ssh_config([BRAIN], tmp_path)


def test_the_labs_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = ensure_key(tmp_path)
    assert ensure_key(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "id_ed25519").stat().st_mode) == 0o600


def test_a_spoilt_key_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("nonsense")
    with pytest.raises(LabError, match="lab down"):
        ensure_key(tmp_path)


def test_a_private_file_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_lock_is_held_by_one_at_a_time() -> None:
    with (
        machine_lock("unit-test"),
        pytest.raises(LabError, match="unit-test"),
        machine_lock("unit-test", timeout=0),
    ):
        pytest.fail("the second holder came in")
    came_in: list[str] = []
    with machine_lock("unit-test", timeout=0):
        came_in.append("after the first one had left")
    assert came_in


def test_equal_snapshots_do_not_differ() -> None:
    snapshot = replace(EMPTY, files={"/etc/x": {"type": "-", "mode": "0644"}}, users=["root"])
    assert difference(snapshot, snapshot) == []


def test_each_kind_of_difference_is_told() -> None:
    before = replace(
        EMPTY,
        files={"/etc/a": {"mode": "0644"}, "/etc/b": {"mode": "0600"}},
        packages=["jq 1 ii "],
        users=["root", "old"],
        stores={"old": {"containers": ["c"], "images": []}},
    )
    after = replace(
        EMPTY,
        files={"/etc/a": {"mode": "0600"}, "/etc/c": {"mode": "0600"}},
        packages=["jq 2 ii "],
        users=["root"],
        stores={},
    )
    assert difference(before, after) == [
        "file /etc/a: mode was 0644, is 0600",
        "file /etc/b: gone (was mode 0600)",
        "file /etc/c: appeared (mode 0600)",
        "packages: jq 1 ii  is gone",
        "packages: jq 2 ii  appeared",
        "users: old is gone",
        "containers of old: were ['c'], are []",
    ]


def test_exceptions_cover_what_they_name_and_no_more() -> None:
    after = replace(
        EMPTY, files={path: {"mode": "0644"} for path in ("/etc/passwd-", "/etc/passwd", "/var/lib/machines/x", CACHE)}
    )
    assert difference(EMPTY, after) == [
        "file /etc/passwd: appeared (mode 0644)",
        "file /var/lib/machines/x: appeared (mode 0644)",
    ]
    assert difference(EMPTY, after, also={"/var/lib/machines/*": "why", "/etc/passwd": "why"}) == []


def test_logins_are_no_difference_of_unit_files() -> None:
    after = replace(EMPTY, unit_files=["session-3.scope transient -", "session.service enabled enabled"])
    assert difference(EMPTY, after) == ["unit_files: session.service enabled enabled appeared"]


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(EngineError, match=r"ended with 3:\nwhy it failed"):
        cli.run([sys.executable, "-c", "import sys; print('why it failed', file=sys.stderr); sys.exit(3)"])


def test_a_command_that_hangs_is_stopped_and_told() -> None:
    with pytest.raises(EngineError, match=r"did not end within 0.2 s"):
        cli.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_a_command_that_is_missing_is_told() -> None:
    with pytest.raises(EngineError, match="not on this machine"):
        cli.run(["hearth-no-such-command"])


def test_a_service_name_is_no_machine_name(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="service of the lab"):
        Lab(folder=tmp_path).machine("registry")


def test_the_command_line_tells_a_wrong_name_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--name", "No Good", "--folder", str(tmp_path), "status"]) == 1
    told = capsys.readouterr().err
    assert "can't be the name of a lab" in told
    assert "Traceback" not in told
