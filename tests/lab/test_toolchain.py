"""The real engine, through the plain command line, on small programs: what a user sees, and what is left afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolchain import engine, gobuild, launchers, locks, recovery
from toolchain.environment import VIRTUAL_ENVIRONMENT
from toolchain.versions import ENGINE, ENGINE_FLOOR, ROOT
from toolchain.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeWorkspace = Callable[..., Workspace]

# How long a process may take to see that its engine is gone: it looks twice a second, on a machine that may be busy.
END_SECONDS = 20.0

COMPONENT = """
import pulumi


class Box(pulumi.ComponentResource):
    def __init__(self, name, text):
        super().__init__("trial:index:Box", name, None)
        self.text = pulumi.Output.from_input(text)
        self.register_outputs({"text": self.text})


config = pulumi.Config()
pulumi.export("text", Box("box", config.get("text") or "none").text)
pulumi.export("root", pulumi.get_root_directory())
pulumi.export("stack", f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
"""

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


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """The toolchain, made ready as a user makes it."""
    subprocess.run([sys.executable, "-m", "toolchain", "setup"], cwd=ROOT, check=True)


@pytest.fixture
def make_workspace(tmp_path: Path) -> MakeWorkspace:
    """Makes a project of a program in a folder of this test."""

    def make(program: str = "", **more: object) -> Workspace:
        return Workspace.create(tmp_path / "project", program, **more)  # type: ignore[arg-type]

    return make


def children(pid: int) -> set[int]:
    """The processes that a process has started and that live."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def wait_until(what: Callable[[], bool], seconds: float = END_SECONDS) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def shown(answer: subprocess.CompletedProcess[str]) -> str:
    """All that a command printed."""
    return answer.stdout + answer.stderr


# Programs


def test_a_program_goes_through_preview_up_output_refresh_and_destroy(make_workspace: MakeWorkspace) -> None:
    work = make_workspace(COMPONENT)
    work.configure("text", "hello")
    assert "trial:index:Box" in work.preview().stdout
    assert work.state().get("resources", []) == []
    up = work.up()
    assert "+ 2 created" in up.stdout
    assert "warning" not in shown(up)
    assert work.outputs() == {"text": "hello", "root": str(work.folder), "stack": "organization/trial/dev"}
    assert work.pulumi("stack", "output", "text").stdout == "hello\n"
    assert "2 unchanged" in work.up().stdout
    assert work.drift().returncode == 0
    work.pulumi("refresh", "--yes", "--skip-preview")
    assert "- 2 deleted" in work.destroy().stdout
    assert work.state().get("resources", []) == []


def test_a_program_without_resources_prints_nothing_but_its_own_lines(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("print('a line of the program')\n")
    up = shown(work.up())
    assert "a line of the program" in up
    assert "Traceback" not in up
    assert "warning" not in up


def test_an_exception_shows_the_traceback_of_the_program_alone(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("def fail():\n    raise ValueError('the reason')\n\n\nfail()\n")
    answer = work.up(check=False)
    assert answer.returncode != 0
    said = shown(answer)
    assert "error: Program failed with an unhandled exception:" in said
    assert f'File "{work.folder}/__main__.py", line 5, in <module>' in said
    assert "ValueError: the reason" in said
    for foreign in ("language_host.py", "runpy", "pulumi/runtime", "asyncio"):
        assert foreign not in said


def test_an_exception_in_an_apply_is_shown_too(make_workspace: MakeWorkspace) -> None:
    program = "import pulumi\npulumi.export('x', pulumi.Output.from_input(1).apply(lambda value: value / 0))\n"
    answer = make_workspace(program).up(check=False)
    assert answer.returncode != 0
    assert "ZeroDivisionError" in shown(answer)
    assert "language_host.py" not in shown(answer)


def test_a_run_error_shows_its_message_alone(make_workspace: MakeWorkspace) -> None:
    answer = make_workspace("import pulumi\nraise pulumi.RunError('three settings are wrong')\n").up(check=False)
    assert answer.returncode != 0
    assert "error: three settings are wrong" in shown(answer)
    assert "Traceback" not in shown(answer)
    assert "unhandled" not in shown(answer)


@pytest.mark.parametrize(("code", "good"), [("0", True), ("3", False), ("'a message'", False)])
def test_a_program_may_exit_as_any_python_program(make_workspace: MakeWorkspace, code: str, good: bool) -> None:
    answer = make_workspace(f"import sys\nsys.exit({code})\n").up(check=False)
    assert (answer.returncode == 0) is good
    assert good or ("a message" if code != "3" else "non-zero exit code: 3") in shown(answer)


def test_a_folder_without_a_program_is_named(make_workspace: MakeWorkspace) -> None:
    work = make_workspace()
    (work.folder / "__main__.py").unlink()
    answer = work.up(check=False)
    assert answer.returncode != 0
    assert "__main__.py" in shown(answer)
    assert "Traceback" not in shown(answer)


def test_a_secret_of_the_settings_stays_one(make_workspace: MakeWorkspace) -> None:
    secret = "canary-4711"
    work = make_workspace("import pulumi\npulumi.export('word', pulumi.Config().require_secret('word'))\n")
    work.configure("word", secret, secret=True)
    said = shown(work.preview()) + shown(work.up()) + shown(work.pulumi("stack", "output"))
    assert secret not in said
    assert work.outputs(show_secrets=True) == {"word": secret}
    kept = [path for path in work.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert kept == []


def test_a_module_of_the_program_is_read_anew_by_each_run(make_workspace: MakeWorkspace) -> None:
    # The preview and the update are two runs in one language host: each must count from one.
    work = make_workspace("import counter\ncounter.count += 1\nprint('count', counter.count)\n")
    (work.folder / "counter.py").write_text("count = 0\n")
    said = shown(work.pulumi("up", "--yes"))
    assert "count 1" in said
    assert "count 2" not in said


def test_a_program_sees_its_own_folder_and_none_of_ours(make_workspace: MakeWorkspace) -> None:
    work = make_workspace(
        "import importlib.util, os, sys, pulumi\n"
        "pulumi.export('cwd', os.getcwd())\n"
        "pulumi.export('ours', [m for m in ('toolchain', 'lab', 'versions') if importlib.util.find_spec(m)])\n"
        "pulumi.export('python', sys.executable)\n"
    )
    work.up()
    python = str(VIRTUAL_ENVIRONMENT / "bin" / "python")
    assert work.outputs() == {"cwd": str(work.folder), "ours": [], "python": python}


def test_about_names_python_and_its_packages(make_workspace: MakeWorkspace) -> None:
    about = shown(make_workspace().pulumi("about"))
    assert ENGINE in about
    assert re.search(r"^pydantic\s+\d", about, re.MULTILINE)
    assert "Failed" not in about


def test_install_names_what_installs_here(make_workspace: MakeWorkspace) -> None:
    assert "make setup" in shown(make_workspace().pulumi("install", check=False))


# Runs that are killed


@pytest.fixture
def killed(make_workspace: MakeWorkspace, tmp_path: Path) -> Workspace:
    """A stack whose `up` was killed in the middle of the second creation."""
    plugin = tmp_path / "plugin" / "pulumi-resource-slow"
    plugin.parent.mkdir()
    plugin.write_text(PROVIDER.format(python=VIRTUAL_ENVIRONMENT / "bin" / "python"))
    plugin.chmod(0o755)
    folder = tmp_path / "things"
    folder.mkdir()
    work = make_workspace(SLOW.format(folder=folder, seconds=300), providers={"slow": plugin.parent})
    process = work.start("up", "--yes", "--skip-preview")
    try:
        assert wait_until((folder / "second").exists), "the second creation never began"
        started = children(process.pid)
        names = {Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2].decode() for pid in started}
        assert any(name.endswith("language_host.py") for name in names), names
    finally:
        process.kill()
        process.communicate()
    assert wait_until(lambda: not [pid for pid in started if pid in locks.this_machine(started).processes])
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
        backend = locks.backend_folder(work.environment["PULUMI_BACKEND_URL"])
        assert backend is not None
        assert wait_until(lambda: bool(locks.read_locks(backend, "trial", "dev")))
        with pytest.raises(recovery.ToolchainError, match=f"locked by pid {process.pid} .* is running. Nothing"):
            recovery.recover(work.folder, "trial", "dev", work.environment, print)
        assert locks.read_locks(backend, "trial", "dev")
        hosts = children(process.pid)
        assert hosts
    finally:
        process.kill()
        process.communicate()
    assert wait_until(lambda: not locks.this_machine(hosts).processes)


# Setting up


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
    assert engine.engine_version(found.path) == ENGINE_FLOOR
    assert any("can't be reached" in line for line in said)
