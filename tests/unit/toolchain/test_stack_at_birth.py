"""A stack that is just being made, or that somebody is at work on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.toolchain.left_stacks import dead_pid, project, recover, write_lock, write_pending
from toolchain.errors import ToolchainError
from toolchain.stack import backend_locks, recovery
from toolchain.stack.alone import hold_stack
from toolchain.versions import ROOT

__all__ = ["project"]


def test_what_the_engine_leaves_right_before_a_stack_is_no_stack(tmp_path: Path) -> None:
    states = tmp_path / ".pulumi/stacks/trial"
    states.mkdir(parents=True)
    for name in ("dev.json.attrs", "dev.json.18eb99445ee54568.tmp", "dev.json.bak", "dev2.json", "dev.jsonx"):
        (states / name).write_text("{}")
    assert not backend_locks.is_made(tmp_path, "trial", "dev")
    (states / "dev.json.gz").write_bytes(b"")
    assert backend_locks.is_made(tmp_path, "trial", "dev")


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', "[]"])
def test_half_a_lock_that_nobody_ends_is_taken_away(tmp_path: Path, project: dict[str, str], content: str) -> None:
    write_pending(tmp_path)
    lock = write_lock(tmp_path, 1)
    half = lock.rename(lock.with_name("a1b2.json.18eb99445ed16792.tmp"))
    half.write_text(content)
    _, said, calls = recover(tmp_path, project)
    assert len(said) == 1
    assert "killed (in the moment in which it took its lock)" in said[0]
    assert not half.exists()
    assert calls == []


def test_half_a_lock_that_is_just_being_written_is_left_alone(tmp_path: Path) -> None:
    half = tmp_path / "half.json"
    half.touch()
    writer = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep(0.3); open({str(half)!r}, 'w').write('x')"]
    )
    try:
        assert not backend_locks.stay_unreadable([half], 2.0)
    finally:
        writer.wait()


def test_the_lock_of_a_stack_that_is_not_there_is_taken_away_without_pulumi(
    tmp_path: Path, project: dict[str, str]
) -> None:
    # `pulumi cancel` would say that there is no such stack.
    lock = write_lock(tmp_path, dead_pid())
    recovery.make(tmp_path, "trial", "dev", project, lambda _: None)
    assert not lock.exists()
    assert (tmp_path / "calls").read_text() == "stack select --create dev --non-interactive --color never\n"


@pytest.mark.parametrize("left", ["", "\n", None])
def test_settings_that_a_killed_run_emptied_are_put_back(
    tmp_path: Path, project: dict[str, str], left: str | None
) -> None:
    settings = tmp_path / "Pulumi.dev.yaml"
    aside = recovery.settings_aside(tmp_path / ".state", "trial", "dev")
    aside.parent.mkdir()
    aside.write_text("config:\n  hearth:hosts: {}\n")
    if left is not None:
        settings.write_text(left)
    recovery.make(tmp_path, "trial", "dev", project, lambda _: None)
    assert settings.read_text() == "config:\n  hearth:hosts: {}\n"
    assert not aside.exists()


def test_settings_that_were_written_are_not_taken_back(tmp_path: Path, project: dict[str, str]) -> None:
    settings = tmp_path / "Pulumi.dev.yaml"
    aside = recovery.settings_aside(tmp_path / ".state", "trial", "dev")
    aside.parent.mkdir()
    aside.write_text("config: {}\n")
    settings.write_text("encryptionsalt: v1\nconfig: {}\n")
    recovery.make(tmp_path, "trial", "dev", project, lambda _: None)
    assert settings.read_text() == "encryptionsalt: v1\nconfig: {}\n"


HOLDER = """
import os, sys
from pathlib import Path
from toolchain.stack.alone import hold_stack
hold_stack(Path(sys.argv[1]), "dev", "up")
os.execvp("sh", ["sh", "-c", "sleep 300 & echo $! held; exec sleep 300"])
"""


def test_a_stack_is_held_by_what_a_process_becomes_and_by_none_of_its_children(tmp_path: Path) -> None:
    lock = tmp_path / "state" / ".held"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline().split()[0])
    try:
        with pytest.raises(
            ToolchainError, match=rf"at work on the stack dev already: `up`, pid {holder.pid}\. Nothing"
        ):
            hold_stack(lock, "dev", "down")
        holder.kill()
        holder.wait()
        os.close(hold_stack(lock, "dev", "down"))
        hold_stack(lock, "dev", "down")
    finally:
        holder.kill()
        os.kill(child, 9)
        holder.communicate()
