"""The worker that runs on a machine, here as a process of this one: its commands, its locks, its life."""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers.machine import worker_run
from providers.machine.remote_worker import BOOT, SOURCE, program
from tests.lab.support import require
from tests.unit.providers.machine.worker_process import (
    PATIENCE,
    WorkerProcess,
    alive,
    encoded,
    eventually,
    pids_with,
    start,
)
from toolchain.versions import ROOT

__all__ = ["start"]


# --- commands ---


def test_a_command_that_ends_in_time_tells_status_and_output(start: Callable[..., WorkerProcess]):
    reply = start().run("sh", "-c", "echo out; echo err >&2; cat; exit 3", stdin=encoded("given"))
    assert reply == {"status": 3, "stdout": "out\ngiven", "stderr": "err\n", "late": False}


def test_a_command_that_does_not_exist_has_status_127(start: Callable[..., WorkerProcess]):
    assert start().run("no-such-command")["status"] == 127


def test_a_folder_that_is_not_there_is_not_taken_for_a_missing_command(start: Callable[..., WorkerProcess]):
    reply = start().call("run", argv=["true"], cwd="/no/such")
    assert "can't be entered" in reply["refused"]


def test_a_command_that_a_signal_ends_has_128_more(start: Callable[..., WorkerProcess]):
    assert start().run("sh", "-c", "kill -TERM $$")["status"] == 128 + signal.SIGTERM


def test_of_a_large_output_the_last_part_is_kept(start: Callable[..., WorkerProcess]):
    reply = start().run("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end")
    assert len(reply["stdout"]) == worker_run.OUTPUT_LIMIT
    assert reply["stdout"].endswith("xend\n")


def test_one_very_long_line_does_not_hang(start: Callable[..., WorkerProcess]):
    assert len(start().run("sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x")["stdout"]) == 200000


def test_output_that_is_no_text_is_told_as_well_as_it_can_be(start: Callable[..., WorkerProcess]):
    assert start().run("printf", "\\377ok")["stdout"] == "\N{REPLACEMENT CHARACTER}ok"


def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_worker(start: Callable[..., WorkerProcess]):
    reply = start().run("sh", "-c", "setsid sleep 987 & echo $!")
    os.kill(int(reply["stdout"]), signal.SIGKILL)
    assert reply["status"] == 0


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_past_its_deadline_a_command_ends_with_all_its_children(
    start: Callable[..., WorkerProcess], tmp_path: Path, stubborn: str
):
    child = "sh -c \"trap '' TERM; echo \\$\\$ > %s; while :; do sleep 0.1; done\" & " % (tmp_path / "child")
    reply = start().run("sh", "-c", f"{stubborn}{child} echo $$; wait", timeout=0.5)
    assert reply["late"]
    child_pid, leader = int((tmp_path / "child").read_text()), int(reply["stdout"])
    assert eventually(lambda: not alive(child_pid))
    assert eventually(lambda: not alive(leader))


def test_after_a_late_command_the_worker_goes_on(start: Callable[..., WorkerProcess]):
    worker = start()
    assert worker.run("sleep", "60", timeout=0.1)["late"]
    assert worker.run("echo", "here")["stdout"] == "here\n"


def test_script_and_input_show_in_no_argument_list_environment_or_folder(
    start: Callable[..., WorkerProcess], tmp_path: Path
):
    canary = f"canary-{os.getpid()}-{os.urandom(8).hex()}"
    worker = start()
    script = f"here=$(cat); : {canary}; echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    answers: list[dict[str, Any]] = []

    def work() -> None:
        answers.append(worker.run("sh", "-eu", script=encoded(script), stdin=encoded(canary)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        pid = int((tmp_path / "pid").read_text())
        assert pids_with(canary) == []
        assert b"/proc/self/fd/" in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not [path for path in Path("/tmp").glob("*") if path.is_file() and canary in _text(path)]
    finally:
        (tmp_path / "go").touch()
        thread.join(PATIENCE)
    assert answers[0]["status"] == 0


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:100_000].decode(errors="replace")
    except OSError:
        return ""


def test_a_command_runs_as_its_user_with_that_users_surroundings(start: Callable[..., WorkerProcess]):
    require("root")
    script = encoded("id -un; id -gn; echo $HOME; echo $XDG_RUNTIME_DIR; umask; cat")
    lines = start().run("sh", script=script, user="nobody", stdin=encoded("input"))["stdout"].splitlines()
    assert lines == ["nobody", "nogroup", "/nonexistent", "/run/user/65534", "0022", "input"]


def test_nothing_of_our_own_environment_reaches_a_command(
    start: Callable[..., WorkerProcess], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HEARTH_SOMETHING", "ours")
    lines = start().run("env")["stdout"].splitlines()
    assert not [line for line in lines if "HEARTH" in line]
    assert "LC_ALL=C.UTF-8" in lines


# --- locks ---


def test_a_lock_of_one_worker_keeps_another_out_until_it_is_released(
    start: Callable[..., WorkerProcess], tmp_path: Path
):
    first, second = start(LOCKS=str(tmp_path)), start(LOCKS=str(tmp_path))
    assert first.call("lock", names=["packages", "file:/etc/fstab"], timeout=1) == {"result": {}}
    refused = second.call("lock", names=["file:/etc/fstab"], timeout=0.2)["result"]
    assert refused["busy"] == "file:/etc/fstab"
    assert refused["holder"] == f"process {first.process.pid}"
    first.call("unlock")
    assert second.call("lock", names=["file:/etc/fstab"], timeout=PATIENCE) == {"result": {}}


def test_a_worker_that_could_not_have_all_its_locks_holds_none(start: Callable[..., WorkerProcess], tmp_path: Path):
    first, second, third = (start(LOCKS=str(tmp_path)) for _ in range(3))
    first.call("lock", names=["b"], timeout=1)
    assert "busy" in second.call("lock", names=["a", "b"], timeout=0.1)["result"]
    assert third.call("lock", names=["a"], timeout=1) == {"result": {}}


def test_a_lock_goes_with_the_worker_that_held_it(start: Callable[..., WorkerProcess], tmp_path: Path):
    first, second = start(LOCKS=str(tmp_path)), start(LOCKS=str(tmp_path))
    first.call("lock", names=["a"], timeout=1)
    first.process.kill()
    assert second.call("lock", names=["a"], timeout=PATIENCE) == {"result": {}}


def test_a_command_that_lives_on_does_not_keep_the_lock(start: Callable[..., WorkerProcess], tmp_path: Path):
    first, second = start(LOCKS=str(tmp_path)), start(LOCKS=str(tmp_path))
    first.call("lock", names=["a"], timeout=1)
    pid = int(first.run("sh", "-c", "setsid sleep 987 & echo $!")["stdout"])
    try:
        first.process.kill()
        assert second.call("lock", names=["a"], timeout=PATIENCE) == {"result": {}}
    finally:
        os.kill(pid, signal.SIGKILL)


def test_long_names_that_begin_alike_are_two_locks(start: Callable[..., WorkerProcess], tmp_path: Path):
    names = [f"file:/{'x' * 300}/{end}" for end in "ab"]
    assert start(LOCKS=str(tmp_path)).call("lock", names=names, timeout=1) == {"result": {}}


# --- its life ---


def test_it_ends_when_its_input_ends(start: Callable[..., WorkerProcess]):
    worker = start()
    worker.run("true")
    worker.end_input()
    assert worker.process.wait(PATIENCE) == 0


def test_it_ends_when_its_input_ends_before_its_program_is_whole():
    worker = WorkerProcess(b"")
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.process.wait(PATIENCE) == 0  # an empty program has nothing to do
    command = [sys.executable, "-I", "-c", BOOT]
    cut = subprocess.run(command, input=program(SOURCE)[:-1000], capture_output=True, timeout=PATIENCE, check=False)
    assert cut.returncode == 1
    assert b"Traceback" not in cut.stderr


def test_silence_ends_it(start: Callable[..., WorkerProcess]):
    worker = start(SILENCE=0.3)
    worker.run("true")
    assert worker.process.wait(PATIENCE) == 0


def test_pings_keep_it_alive(start: Callable[..., WorkerProcess]):
    silence = 1.0
    for _ in range(10):
        worker, longest, begun = start(SILENCE=silence), 0.0, time.monotonic()
        last = begun
        with contextlib.suppress(BrokenPipeError):
            while last < begun + 2 * silence:
                worker.send(b"")
                time.sleep(0.05)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        if longest < silence / 2:  # else this machine was too busy to ping in time, and the worker right to end
            assert worker.run("echo", "here")["stdout"] == "here\n"
            return
    pytest.fail("this machine was too busy to send a ping in time, ten times over")


def test_silence_during_a_command_does_not_cut_it_short(start: Callable[..., WorkerProcess], tmp_path: Path):
    worker = start(SILENCE=0.2)
    worker.run("sh", "-c", f"sleep 1; touch {tmp_path}/done")
    assert (tmp_path / "done").exists()


def test_a_command_under_way_is_finished_when_the_connection_ends(start: Callable[..., WorkerProcess], tmp_path: Path):
    worker = start()
    line = f"touch {tmp_path}/begun; sleep 0.5; touch {tmp_path}/done"
    worker.send(json.dumps({"op": "run", "args": {"argv": ["sh", "-c", line]}}).encode())
    assert eventually(lambda: (tmp_path / "begun").exists())
    worker.end_input()
    assert worker.process.wait(PATIENCE) == 0
    assert (tmp_path / "done").exists()


def test_requests_that_are_sent_together_are_answered_in_order(start: Callable[..., WorkerProcess]):
    worker = start()
    for number in range(20):
        worker.send(json.dumps({"op": "run", "args": {"argv": ["echo", str(number)]}}).encode())
    assert [worker.answer()["result"]["stdout"] for _ in range(20)] == [f"{number}\n" for number in range(20)]


def test_a_large_request_arrives_whole(start: Callable[..., WorkerProcess]):
    text = "y" * (3 * 1024 * 1024)
    assert start().run("wc", "-c", stdin=encoded(text))["stdout"].strip() == str(len(text))


def test_an_operation_that_does_not_exist_is_an_answer_and_not_the_end(start: Callable[..., WorkerProcess]):
    worker = start()
    assert "KeyError" in worker.call("fly")["error"]
    assert worker.run("true")["status"] == 0


def test_its_source_runs_on_python_3_8():
    compile(SOURCE, "worker", "exec", dont_inherit=True)
    ast.parse(SOURCE.decode(), feature_version=(3, 8))


ON_MACHINES = ("components/maubot/programs/*.py", "providers/kinds/lxd/link_*.py", "providers/kinds/lxd/client.py")
BESIDE = (
    "providers/kinds/venv/venv_probe.py",
    "providers/kinds/matrix/compile_probe.py",
    "lab/systems/lxd/zerotier_stand_in.py",
)


@pytest.mark.parametrize("pattern", [*ON_MACHINES, *BESIDE])
def test_whatever_else_runs_on_a_machine_does_so_on_python_3_8(pattern: str):
    # One floor for all: docs and messages say 3.8.
    found = sorted(ROOT.glob(pattern))
    assert found
    for path in found:
        ast.parse(path.read_text(), str(path), feature_version=(3, 8))


def test_its_source_is_one_text_that_imports_nothing_of_ours():
    assert b"providers" not in SOURCE


# --- what all else depends on ---


def test_what_follows_a_failed_first_thing_is_not_done(start: Callable[..., WorkerProcess], tmp_path: Path):
    worker = start()
    missing, file = str(tmp_path / "no" / "record"), tmp_path / "file"
    requests = [
        ("first", {"op": "write", "args": {"path": missing, "content": ""}}),
        ("write", {"path": str(file), "content": encoded("changed")}),
        ("run", {"argv": ["touch", str(file)]}),
    ]
    for op, args in requests:  # all are on their way before the first answer comes
        worker.send(json.dumps({"op": op, "args": args}).encode())
    replies = [worker.answer() for _ in requests]
    assert replies[0]["errno"] == errno.ENOENT
    assert all("failed" in each["refused"] for each in replies[1:])
    assert not file.exists()
    worker.call("again")
    assert worker.call("write", path=str(file), content=encoded("now")) == {"result": None}
    assert file.read_text() == "now"


def test_what_follows_a_first_thing_that_was_done_is_done(start: Callable[..., WorkerProcess], tmp_path: Path):
    worker = start()
    first = {"op": "write", "args": {"path": str(tmp_path / "record"), "content": encoded("before")}}
    assert worker.call("first", **first) == {"result": None}
    assert worker.call("write", path=str(tmp_path / "file"), content=encoded("x")) == {"result": None}


# What looking and the last of all leave behind

LEAVES = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(300)
"""


@pytest.mark.parametrize("tidy", [True, False])
def test_what_a_look_as_an_account_leaves_behind_is_ended_and_a_daemon_of_a_script_is_not(
    start: Callable[..., WorkerProcess], tmp_path: Path, tidy: bool
):
    agent, note = start(), tmp_path / "pid"
    more = {"tidy": True} if tidy else {}
    command = f"{sys.executable} -c '{LEAVES}' {note}; until [ -s {note} ]; do sleep 0.05; done; echo said; exit 3"
    done = agent.run("sh", "-c", command, user="root", **more)
    pid = int(note.read_text())
    try:
        assert (done["status"], done["stdout"]) == (3, "said\n")
        assert alive(pid) != tidy
        # The next command of the same worker leaves what it leaves.
        note.unlink()
        agent.run("sh", "-c", command, user="root")
        second = int(note.read_text())
        assert alive(second)
        os.kill(second, 9)
    finally:
        if not tidy:
            os.kill(pid, 9)


def test_locks_go_with_the_last_thing_that_is_managed(start: Callable[..., WorkerProcess], tmp_path: Path):
    own, locks = tmp_path / "own", tmp_path / "run" / "locks"
    first, second = (start(OWN=str(own), LOCKS=str(locks)) for _ in range(2))
    own.mkdir()
    first.call("lock", names=["file:/etc/a", "b"], timeout=1)
    (locks.parent / "reloaded").touch()
    first.call("unlock")
    assert len(list(locks.iterdir())) == 2  # something is managed still
    second.call("lock", names=["b"], timeout=1)
    own.rmdir()
    first.call("lock", names=["c"], timeout=1)
    first.call("unlock")
    assert [path.name for path in locks.iterdir()] == ["b"]  # held by the other one
    assert first.call("lock", names=["b"], timeout=0)["result"]["busy"] == "b"
    second.call("unlock")
    assert not locks.parent.exists()


def test_a_lock_that_was_tidied_away_while_it_was_waited_for_is_taken_anew(
    start: Callable[..., WorkerProcess], tmp_path: Path
):
    locks = tmp_path / "run" / "locks"
    first, second, third = (start(OWN=str(tmp_path / "own"), LOCKS=str(locks)) for _ in range(3))
    first.call("lock", names=["a"], timeout=1)
    second.send(json.dumps({"op": "lock", "args": {"names": ["a"], "timeout": 10}}).encode())
    time.sleep(0.2)
    first.call("unlock")
    assert second.answer() == {"result": {}}
    assert third.call("lock", names=["a"], timeout=0)["result"]["busy"] == "a"
