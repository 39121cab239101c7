"""What becomes of a stack whose last run was killed: whose lock it is, and what was under way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.toolchain.left_stacks import dead_pid, project, recover, write_lock, write_pending
from toolchain.errors import ToolchainError
from toolchain.stack import affected, backend_locks, recovery, run
from toolchain.stack.backend_locks import Holder, Lock, Process, ThisMachine

__all__ = ["project"]

TAKEN = 1_000_000.0  # seconds since 1970
LOCK = Lock(Path("lock.json"), 41, "root", "here", TAKEN)


@pytest.mark.parametrize(
    ("hostname", "process", "shared", "expected"),
    [
        ("here", None, False, Holder.DEAD),
        ("here", Process("pulumi", TAKEN - 1), False, Holder.ALIVE),
        ("here", Process("pulumi", TAKEN + 60), False, Holder.ALIVE),  # the clock was set since
        ("here", Process("bash", TAKEN + 60), False, Holder.DEAD),  # the number was given anew
        ("here", Process("bash", TAKEN - 60), False, Holder.ALIVE),
        ("there", None, False, Holder.ELSEWHERE),
        ("here", None, True, Holder.ELSEWHERE),
    ],
)
def test_a_lock_is_dead_only_if_its_process_of_this_machine_is_gone(
    hostname: str, process: Process | None, shared: bool, expected: Holder
) -> None:
    machine = ThisMachine(hostname, {} if process is None else {41: process})
    assert backend_locks.holder(LOCK, machine, shared=shared) is expected


def test_a_live_process_is_read_with_its_name_and_start() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        machine = backend_locks.this_machine([child.pid])
        assert machine.hostname == socket.gethostname()
        assert abs(machine.processes[child.pid].started - time.time()) < 60
    finally:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # Dead, but not yet waited for.
    assert child.pid not in backend_locks.this_machine([child.pid]).processes
    child.wait()
    assert child.pid not in backend_locks.this_machine([child.pid]).processes


def test_a_name_with_blanks_and_parentheses_is_read_right(tmp_path: Path) -> None:
    fields = ["S", *["0"] * 18, "500"]
    (tmp_path / "stat").write_text(f"7 (a) b (c) {' '.join(fields)}\n")
    tick = os.sysconf("SC_CLK_TCK")
    assert backend_locks.read_process(tmp_path / "stat", 100.0) == Process("a) b (c", 100.0 + 500 / tick)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-21T09:06:03.460328123Z", "2026-11-21T09:06:03.460328+00:00"),
        ("2026-11-21T09:06:03Z", "2026-11-21T09:06:03+00:00"),
        ("2026-11-21T09:06:03.4+02:00", "2026-11-21T09:06:03.4+02:00"),
    ],
)
def test_times_as_go_writes_them_are_read(written: str, read: str) -> None:
    assert backend_locks.trim_nanoseconds(written) == read


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///a/b", "/a/b"),
        ("file:///a%20b?no_tmp_dir=true", "/a b"),
        ("file://~/state", str(Path.home() / "state")),
        ("s3://bucket", None),
        ("https://api.pulumi.com", None),
        ("", None),
    ],
)
def test_only_a_file_backend_has_a_folder(url: str, folder: str | None) -> None:
    assert backend_locks.backend_folder(url) == (None if folder is None else Path(folder))


@pytest.mark.parametrize(("kind", "shared"), [("ext4", False), ("nfs4", True), ("cifs", True), ("tmpfs", False)])
def test_a_state_on_a_file_system_of_several_machines_is_known(tmp_path: Path, kind: str, shared: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / ext4 rw 0 0\nserver:/x /srv/my\\040\u00a0state {kind} rw 0 0\n")
    assert backend_locks.is_shared(Path("/srv/my \u00a0state/.state"), mounts) is shared
    assert not backend_locks.is_shared(Path("/other"), mounts)


# Recovery, with a `pulumi` that only writes down what it was asked


def test_a_stack_that_ended_well_is_left_alone(tmp_path: Path, project: dict[str, str]) -> None:
    (tmp_path / ".state").mkdir()
    write_pending(tmp_path)
    assert recover(tmp_path, project) == ([], [], [])


def test_the_lock_of_a_dead_process_is_cancelled_in_one_line(tmp_path: Path, project: dict[str, str]) -> None:
    pid = dead_pid()
    write_pending(tmp_path)
    write_lock(tmp_path, pid)
    pending, said, calls = recover(tmp_path, project)
    assert pending == []
    assert len(said) == 1
    assert f"pid {pid} of root@{socket.gethostname()}" in said[0]
    assert calls == ["cancel --yes --stack dev --non-interactive --color never"]


@pytest.mark.parametrize("hostname", ["another-machine", None])
def test_the_lock_of_another_machine_or_a_living_process_is_left_alone(
    tmp_path: Path, project: dict[str, str], hostname: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_locks, "holder", lambda *_, **__: Holder.ELSEWHERE if hostname else Holder.ALIVE)
    lock = write_lock(tmp_path, os.getpid(), hostname)
    remedy = "pulumi cancel --stack dev" if hostname else f"kill -INT {os.getpid()}"
    for made in (False, True):
        if made:
            write_pending(tmp_path)
        with pytest.raises(ToolchainError, match=rf"locked by pid \d+.*Nothing was changed.*{remedy}"):
            (recovery.recover if made else recovery.make)(tmp_path, "trial", "dev", project, print)
    assert lock.exists()
    assert not (tmp_path / "calls").exists()


def test_one_living_lock_among_dead_ones_stops_everything(tmp_path: Path, project: dict[str, str]) -> None:
    write_pending(tmp_path)
    write_lock(tmp_path, dead_pid())
    write_lock(tmp_path, 1, "another-machine")
    with pytest.raises(ToolchainError, match="another machine"):
        recover(tmp_path, project)
    assert not (tmp_path / "calls").exists()


def test_pending_operations_are_named_and_cleared(tmp_path: Path, project: dict[str, str]) -> None:
    (tmp_path / ".state").mkdir()
    write_pending(tmp_path, *(f"file-{number}" for number in range(7)))
    pending, said, calls = recover(tmp_path, project)
    assert len(pending) == 7
    assert "creating file-0, creating file-1" in said[0]
    assert "and 2 more" in said[0]
    assert [call.split()[:2] for call in calls] == [["stack", "export"], ["stack", "import"]]


def test_a_backend_elsewhere_is_left_to_pulumi(tmp_path: Path, project: dict[str, str]) -> None:
    assert recover(tmp_path, {**project, "PULUMI_BACKEND_URL": "s3://bucket"}) == ([], [], [])


def test_what_pulumi_says_when_it_fails_is_passed_on(tmp_path: Path, project: dict[str, str]) -> None:
    binary = tmp_path / "bin" / "pulumi"
    binary.write_text("#!/bin/sh\necho 'error: no such thing' >&2\nexit 255\n")
    with pytest.raises(ToolchainError, match="`pulumi cancel` ended with 255:\nerror: no such thing"):
        recovery.pulumi(tmp_path, project, "cancel")


# What the commands pass on


def test_only_the_lab_stack_goes_up_and_down_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda terminal=terminal: terminal)
        assert run.consent("dev") == ["--yes", "--skip-preview"]
        assert run.consent("prod") == ([] if terminal else ["--yes"])


@pytest.mark.parametrize("text", ["name: hearth\n", "description: x\nname: 'hearth' # its name\n", 'name: "hearth"\n'])
def test_the_project_name_is_read_from_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    assert run.project_name(tmp_path) == "hearth"


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"Pulumi\.yaml has no line `name: <project>`"):
        run.project_name(tmp_path)


# Previews in pull requests


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["Pulumi.prod.yaml", "docs/lab.md", "README.md", "tests/unit/test_x.py"], ["prod"]),
        (["Pulumi.dev.yaml"], []),
        (["components/secondbrain/component.py"], ["prod", "staging"]),
        (["requirements.lock", "Pulumi.prod.yaml"], ["prod", "staging"]),
        (["Pulumi.yaml"], ["prod", "staging"]),
        (["docs/systems/secondbrain.md"], []),
        (["Pulumi.gone.yaml"], []),
        ([], []),
    ],
)
def test_a_pull_request_previews_the_stacks_that_it_can_affect(changed: list[str], expected: list[str]) -> None:
    assert affected.affected(changed, ["staging", "dev", "prod"]) == expected
