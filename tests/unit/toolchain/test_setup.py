"""What `make setup` puts into place: the virtual environment, the launchers, the environment, the state's folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from toolchain.files import write_whole
from toolchain.locks import exclusive
from toolchain.pulumi import engine, launchers
from toolchain.pulumi.engine import Engine
from toolchain.stack import environment, run


def silent(text: str) -> None:
    """Take what is said, and drops it."""


# Files


def test_a_file_is_written_only_when_it_differs(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    assert write_whole(file, "text", 0o640)
    assert not write_whole(file, "text", 0o640)
    assert write_whole(file, "text", 0o600)
    assert file.stat().st_mode & 0o777 == 0o600
    assert write_whole(file, "other", 0o600)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_two_at_the_same_work_wait_for_each_other_and_say_so(tmp_path: Path) -> None:
    said: list[str] = []
    waiting, order = threading.Event(), []

    def second() -> None:
        def say(text: str) -> None:
            said.append(text)
            waiting.set()

        with exclusive(tmp_path / "lock", say):
            order.append("second")

    with exclusive(tmp_path / "lock", silent):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waiting for another process" in said[0]


# The environment of Pulumi

PROJECT = Path("/project")
STATE = "file:///project/.state"


@pytest.mark.parametrize(
    ("outer", "expected"),
    [
        (
            {},
            {
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_BACKEND_URL": STATE,
                "PULUMI_HOME": "/project/.state/pulumi-home",
                "PULUMI_CONFIG_PASSPHRASE_FILE": "/project/.state/passphrase",
            },
        ),
        (
            {"PULUMI_BACKEND_URL": "s3://bucket"},
            {
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_CONFIG_PASSPHRASE_FILE": "/project/.state/passphrase",
            },
        ),
        (
            {"PULUMI_CONFIG_PASSPHRASE": "mine", "PULUMI_HOME": "/home", "PULUMI_SKIP_UPDATE_CHECK": "false"},
            {"PULUMI_BACKEND_URL": STATE},
        ),
        (
            {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_CONFIG_PASSPHRASE_FILE": "/f"},
            {"PULUMI_SKIP_UPDATE_CHECK": "true"},
        ),
    ],
)
def test_only_what_is_not_set_gets_a_default(outer: dict[str, str], expected: dict[str, str]) -> None:
    assert environment.defaults(PROJECT, outer) == expected


def test_the_virtual_environment_comes_first_on_the_path_and_once() -> None:
    folder = str(environment.VIRTUAL_ENVIRONMENT / "bin")
    path = environment.pulumi_environment(PROJECT, {"PATH": f"/usr/bin:{folder}:/bin"})["PATH"]
    assert path.split(":") == [folder, "/usr/bin", "/bin"]


def test_a_project_of_its_own_state_takes_nothing_of_it_from_outside() -> None:
    outer = {
        "PULUMI_BACKEND_URL": "s3://bucket",
        "PULUMI_CONFIG_PASSPHRASE": "mine",
        "PULUMI_STACK": "prod",
        "KEPT": "1",
    }
    inner = environment.pulumi_environment(PROJECT, outer, own_state=True)
    assert inner["PULUMI_BACKEND_URL"] == STATE
    assert inner["KEPT"] == "1"
    assert not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK"} & inner.keys()


def test_the_state_is_for_its_owner_alone_and_its_passphrase_is_kept(tmp_path: Path) -> None:
    assert environment.prepare_state(tmp_path)
    state, passphrase = tmp_path / ".state", tmp_path / ".state" / "passphrase"
    assert (state.stat().st_mode & 0o777, passphrase.stat().st_mode & 0o777) == (0o700, 0o600)
    text = passphrase.read_text()
    assert len(text.strip()) >= 40
    assert not environment.prepare_state(tmp_path)
    passphrase.chmod(0o644)
    state.chmod(0o755)
    assert environment.prepare_state(tmp_path)
    assert (state.stat().st_mode & 0o777, passphrase.stat().st_mode & 0o777) == (0o700, 0o600)
    assert passphrase.read_text() == text
    assert [path.name for path in state.iterdir()] == ["passphrase"]


def test_the_exports_are_what_a_shell_can_read() -> None:
    lines = run.exports(Path("/with a blank"))
    answer = subprocess.run(
        ["/bin/sh", "-c", f'{lines}\nprintf %s "$PULUMI_BACKEND_URL"'],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "file:///with a blank/.state"


# The launchers


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone's folder with an empty virtual environment."""
    (tmp_path / "clone" / ".venv" / "bin").mkdir(parents=True)
    return tmp_path / "clone"


def an_engine(folder: Path, *, official: bool) -> Engine:
    """Return an engine that prints its environment and arguments."""
    path = folder / "cache" / "pulumi"
    path.parent.mkdir(exist_ok=True)
    path.write_text('#!/bin/sh\nenv\necho "arguments: $*"\n')
    path.chmod(0o755)
    return Engine(path, "a test", official=official)


def test_a_built_engine_gets_our_language_host_beside_it(tmp_path: Path, clone: Path) -> None:
    assert launchers.place(an_engine(tmp_path, official=False), clone / ".venv", clone)
    assert (clone / ".venv/hearth/pulumi").samefile(tmp_path / "cache/pulumi")
    host = clone / ".venv/hearth/pulumi-language-python"
    assert f"exec {clone}/.venv/bin/python -P {clone}/toolchain/pulumi/language_host.py" in host.read_text()
    assert (clone / ".venv/bin/pulumi-language-python").resolve() == host
    assert engine.is_launcher(clone / ".venv/bin/pulumi")


def test_placing_twice_changes_nothing(tmp_path: Path, clone: Path) -> None:
    for official in (False, True):
        found = an_engine(tmp_path, official=official)
        assert launchers.place(found, clone / ".venv", clone)
        assert not launchers.place(found, clone / ".venv", clone)


@pytest.mark.parametrize("lost", ["bin/pulumi", "bin/pulumi-language-python", "hearth/pulumi", "hearth"])
def test_a_lost_launcher_is_put_back(tmp_path: Path, clone: Path, lost: str) -> None:
    found = an_engine(tmp_path, official=False)
    launchers.place(found, clone / ".venv", clone)
    before = {path: path.read_bytes() for path in (clone / ".venv").rglob("*") if path.is_file()}
    path = clone / ".venv" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert launchers.place(found, clone / ".venv", clone)
    assert {path: path.read_bytes() for path in (clone / ".venv").rglob("*") if path.is_file()} == before


def test_an_official_engine_keeps_its_own_language_host(tmp_path: Path, clone: Path) -> None:
    launchers.place(an_engine(tmp_path, official=False), clone / ".venv", clone)
    launchers.place(an_engine(tmp_path, official=True), clone / ".venv", clone)
    assert not (clone / ".venv/bin/pulumi-language-python").is_symlink()
    assert not (clone / ".venv/hearth/pulumi-language-python").exists()
    assert (clone / ".venv/hearth/pulumi").resolve() == tmp_path / "cache/pulumi"


@pytest.mark.parametrize(
    ("outer", "expected"),
    [
        (
            {},
            {
                "BACKEND_URL": "file://{clone}/.state",
                "HOME": "{clone}/.state/pulumi-home",
                "CONFIG_PASSPHRASE_FILE": "{clone}/.state/passphrase",
            },
        ),
        (
            {"PULUMI_BACKEND_URL": "s3://bucket"},
            {"BACKEND_URL": "s3://bucket", "CONFIG_PASSPHRASE_FILE": "{clone}/.state/passphrase"},
        ),
        (
            {"PULUMI_CONFIG_PASSPHRASE": "mine", "PULUMI_HOME": "/home"},
            {"BACKEND_URL": "file://{clone}/.state", "HOME": "/home", "CONFIG_PASSPHRASE": "mine"},
        ),
    ],
)
def test_the_plain_command_gets_the_same_defaults_as_make(
    tmp_path: Path, clone: Path, outer: dict[str, str], expected: dict[str, str]
) -> None:
    launchers.place(an_engine(tmp_path, official=False), clone / ".venv", clone)
    launcher = clone / ".venv" / "bin" / "pulumi"
    answer = subprocess.run(
        [launcher, "up", "a b"], env={"PATH": "/usr/bin:/bin", **outer}, capture_output=True, text=True, check=True
    )
    seen = dict(re.findall(r"^PULUMI_(\w+)=(.*)$", answer.stdout, re.MULTILINE))
    wanted = {name: value.format(clone=clone) for name, value in expected.items()}
    assert seen == {"SKIP_UPDATE_CHECK": "true", **wanted}
    assert "arguments: up a b" in answer.stdout
