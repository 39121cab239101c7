"""The real engine after runs that were killed, and the toolchain that is set up again."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.support import require
from tests.lab.toolchain.trial import MakeWorkspace, children, eventually, make_workspace, ready, shown
from tests.lab.workspace import Workspace
from toolchain.pulumi import engine, gobuild, launchers
from toolchain.stack import backend_locks, git_filter, recovery
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT
from toolchain.versions import ENGINE, ROOT, parse_version

__all__ = ["make_workspace", "ready"]

# A provider in the SDK's own terms; a creation takes as long as the resource says, and leaves a file from its start on.
PROVIDER = """#!{python}
import asyncio, os, sys, threading, time
from pathlib import Path
from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.server import main


class Slow(p.Provider):
    async def get_schema(self, request):
        return p.GetSchemaResponse(schema='{{"name": "slow", "version": "0.1.0"}}')

    async def check_config(self, request):
        return p.CheckResponse(request.new_inputs, [])

    async def diff_config(self, request):
        return p.DiffResponse(changes=False)

    async def configure(self, request):
        return p.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=False
        )

    async def check(self, request):
        return p.CheckResponse(request.new_inputs, [])

    async def diff(self, request):
        return p.DiffResponse(changes=request.old_state["seconds"] != request.new_inputs["seconds"])

    async def create(self, request):
        if not request.preview:
            Path(request.properties["path"].value).touch()
            await asyncio.sleep(float(request.properties["seconds"].value))
        return p.CreateResponse(request.properties["path"].value, request.properties)

    async def update(self, request):
        return p.UpdateResponse(request.news)

    async def read(self, request):
        if not Path(request.resource_id).exists():
            return p.ReadResponse("", {{}}, {{}})
        return p.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def delete(self, request):
        Path(request.resource_id).unlink()


def watch(parent):
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(0)


threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
main(sys.argv[1:], "0.1.0", Slow())
"""

SLOW = """
import os
import pulumi


class Thing(pulumi.CustomResource):
    def __init__(self, name, seconds, after=None):
        properties = {{"path": os.path.join("{folder}", name), "seconds": seconds}}
        super().__init__("slow:index:Thing", name, properties, pulumi.ResourceOptions(depends_on=after))


first = Thing("first", 0)
Thing("second", {seconds}, [first])
"""


# Runs that are killed


def command_line(pid: int) -> str:
    """Return how a process was called; nothing where it has ended since."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture
def killed(make_workspace: MakeWorkspace, tmp_path: Path) -> Workspace:
    """Return a stack whose `up` was killed in the middle of the second creation."""
    plugin = tmp_path / "plugin" / "pulumi-resource-slow"
    plugin.parent.mkdir()
    plugin.write_text(PROVIDER.format(python=VIRTUAL_ENVIRONMENT / "bin" / "python"))
    plugin.chmod(0o755)
    folder = tmp_path / "things"
    folder.mkdir()
    work = make_workspace(SLOW.format(folder=folder, seconds=300), providers={"slow": plugin.parent})
    process = work.start("up", "--yes", "--skip-preview")
    try:
        assert eventually((folder / "second").exists), "the second creation never began"
        started = children(process.pid)
        names = [command_line(pid) for pid in started]
        assert any("language_host.py" in name for name in names), names
    finally:
        process.kill()
        process.communicate()
    assert eventually(lambda: not [pid for pid in started if pid in backend_locks.this_machine(started).processes])
    work.write(SLOW.format(folder=folder, seconds=0))
    return work


def test_up_after_a_killed_run_clears_the_dead_lock_and_goes_on(killed: Workspace) -> None:
    # Plain Pulumi refuses.
    assert "currently locked by 1 lock" in shown(killed.up(check=False))
    answer = killed.make("up")
    assert answer.returncode == 0, shown(answer)
    assert "The last run of dev was killed" in answer.stdout
    assert "in the middle of creating second" in answer.stdout
    assert "1 created" in answer.stdout
    assert killed.state().get("pending_operations", []) == []
    assert killed.make("drift").returncode == 0
    again = killed.make("up")
    assert "3 unchanged" in again.stdout
    assert "The last run" not in again.stdout


def test_down_after_a_killed_run_takes_away_what_was_half_made(killed: Workspace, tmp_path: Path) -> None:
    answer = killed.make("down")
    assert answer.returncode == 0, shown(answer)
    assert list((tmp_path / "things").iterdir()) == []
    assert killed.state().get("resources", []) == []


def test_drift_exits_7_and_names_what_drifted(killed: Workspace, tmp_path: Path) -> None:
    killed.make("up")
    (tmp_path / "things" / "second").unlink()
    answer = killed.make("drift")
    assert answer.returncode == 7
    assert "second" in answer.stdout


def test_a_lock_of_a_living_run_is_left_alone(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("import time\nprint('begun', flush=True)\ntime.sleep(300)\n")
    process = work.start("up", "--yes", "--skip-preview")
    try:
        backend = backend_locks.backend_folder(work.environment["PULUMI_BACKEND_URL"])
        assert backend is not None
        assert eventually(lambda: bool(backend_locks.read_locks(backend, "trial", "dev")))
        with pytest.raises(recovery.ToolchainError, match=f"locked by pid {process.pid} .* is running. Nothing"):
            recovery.recover(work.folder, "trial", "dev", work.environment, print)
        assert backend_locks.read_locks(backend, "trial", "dev")
        hosts = children(process.pid)
        assert hosts
    finally:
        process.kill()
        process.communicate()
    assert eventually(lambda: not backend_locks.this_machine(hosts).processes)


def test_up_and_down_at_once_are_told_of_each_other_and_do_nothing_to_each_other(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(300)\n")
    begun = work.folder / "begun"
    command = [sys.executable, "-m", "toolchain", "up", "--stack", work.stack, "--project", str(work.folder)]
    process = subprocess.Popen(command, cwd=ROOT, env=work.environment, stdout=subprocess.DEVNULL)
    try:
        assert eventually(begun.exists)
        for verb in ("down", "up"):
            answer = work.make(verb)
            assert answer.returncode == 1
            assert f"at work on the stack dev already: `up`, pid {process.pid}. Nothing was changed" in answer.stderr
            assert "cancel" not in shown(answer)
        assert process.poll() is None
    finally:
        started = children(process.pid)
        process.kill()
        process.wait()
    assert eventually(lambda: not backend_locks.this_machine(started).processes)
    work.write("")
    for verb in ("down", "up"):
        assert work.make(verb).returncode == 0


# Setting up and git


def test_a_second_setup_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    watched = [VIRTUAL_ENVIRONMENT / "bin" / "pulumi", VIRTUAL_ENVIRONMENT / "hearth" / "pulumi"]
    before = [path.lstat().st_mtime_ns for path in watched]
    begun = time.monotonic()
    command = ["python3", "-m", "toolchain", "setup"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - begun
    with capsys.disabled():
        print(f"\na setup with nothing to do took {seconds:.2f} s")
    assert [path.lstat().st_mtime_ns for path in watched] == before
    assert re.findall(r"^(?:Python environment|State and passphrase)\s+(\S+)", printed, re.MULTILINE) == ["ready"] * 2
    assert "now starts it" not in printed


def test_a_clone_that_lost_its_launchers_gets_them_back_and_they_work(tmp_path: Path) -> None:
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(VIRTUAL_ENVIRONMENT / "bin" / "python")
    found = engine.choose(engine.default_sources(), print)
    for lost in ("bin/pulumi", "hearth/pulumi"):
        launchers.place(found, environment, tmp_path)
        (environment / lost).unlink()
        assert launchers.place(found, environment, tmp_path)
        answer = subprocess.run([environment / "bin" / "pulumi", "version"], capture_output=True, text=True, check=True)
        assert answer.stdout.startswith("v3.")


def test_an_emptied_cache_is_filled_again_from_what_go_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if gobuild.built() is None:
        pytest.skip("the engine here was not built from Go modules: nothing to build again")
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path))
    monkeypatch.setenv("HEARTH_PULUMI_RELEASES", "http://127.0.0.1:9")
    said: list[str] = []
    found = engine.choose([engine.OnPath(""), engine.OfficialInstaller(), engine.GoModules()], said.append)
    assert found.path == gobuild.built()
    assert engine.engine_version(found.path) == parse_version(ENGINE)
    assert any("can't be reached" in line for line in said)


def test_a_clone_stays_clean_through_up_preview_and_down(make_workspace: MakeWorkspace) -> None:
    require("git")
    work = replace(make_workspace("import pulumi\npulumi.export('word', 'one')\n", stack="other"), stack="dev")

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(work.folder), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    for name in (".gitattributes", ".gitignore"):
        shutil.copy(ROOT / name, work.folder)
    settings = work.folder / "Pulumi.dev.yaml"
    settings.write_text("config:\n  trial:word: one\n")
    git("init", "-q")
    assert git_filter.ensure_filter(work.folder)
    git("add", ".")
    git("commit", "-q", "-m", "a clone")
    for command in ("up", "preview", "drift", "down"):
        answer = work.make(command)
        assert answer.returncode == 0, shown(answer)
        assert git("status", "--short") == "", command
    assert "encryptionsalt:" in settings.read_text()
    work.pulumi("config", "set", "--stack", "dev", "word", "two")  # by hand, it shows as what it is
    assert git("status", "--short") == " M Pulumi.dev.yaml\n"
    assert "salt" not in git("diff")
