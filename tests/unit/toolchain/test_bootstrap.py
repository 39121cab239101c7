"""How `make setup` makes the virtual environment, before anything but the standard library is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import apt, bootstrap, versions
from toolchain.errors import ToolchainError

UV = "uv==0.13.8 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
LOCK = f"one==1\n    # via uv==3\n{UV}    # via hearth\n"


def silent(text: str) -> None:
    """Take what is said, and drops it."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the commands that would install, and do the least of what they do."""
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path / "cache"))
    commands: list[list[str]] = []

    def run_command(command: list[str]) -> None:
        commands.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "run", run_command)
    return commands


def test_the_environment_is_made_from_the_lock_with_checksums_and_then_left_alone(
    tmp_path: Path, installed: list[list[str]]
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    assert bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    assert [command[2] for command in installed] == ["venv", "pip", "uv"]
    assert "--clear" in installed[0]
    assert all("--require-hashes" in command for command in installed[1:])
    assert not bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    assert len(installed) == 3


def test_a_changed_lock_installs_again_into_the_same_environment(tmp_path: Path, installed: list[list[str]]) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    lock.write_text(LOCK.replace("one==1", "one==2"))
    assert bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    assert [command[2] for command in installed] == ["venv", "pip", "uv", "pip", "uv"]


def test_where_uv_can_not_install_pip_does_and_it_is_said(
    tmp_path: Path, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = bootstrap.run

    def run_command(command: list[str]) -> None:
        recorded(command)
        if "uv" in command:
            raise ToolchainError("`uv pip install` ended with 2:\n  no route to host")

    monkeypatch.setattr(bootstrap, "run", run_command)
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    said: list[str] = []
    assert bootstrap.ensure_environment(tmp_path / ".venv", lock, said.append)
    assert [command[2] for command in installed] == ["venv", "pip", "uv", "pip"]
    assert installed[-1][-2:] == ["-r", str(lock)]
    assert said[-1] == "uv could not install them, so pip does: no route to host"


@pytest.mark.parametrize("lock", [LOCK, UV, f"uvloop==1 \\\n    --hash=sha256:22\n{UV}", UV.rstrip()])
def test_the_entry_of_uv_is_taken_whole_and_nothing_else(lock: str) -> None:
    assert bootstrap.entry_of("uv", lock).rstrip() == UV.rstrip()


def test_a_lock_without_uv_has_no_entry_of_it() -> None:
    assert bootstrap.entry_of("uv", "uvloop==1 \\\n    --hash=sha256:22\n") == ""


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path, installed: list[list[str]]) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    (tmp_path / ".venv/bin/python").unlink()
    assert bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    assert [command[2] for command in installed] == ["venv", "pip", "uv"] * 2


def test_an_older_python_is_refused_with_the_remedy(
    tmp_path: Path, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    monkeypatch.setattr(bootstrap, "PYTHON_FLOOR", (9, 0))
    with pytest.raises(ToolchainError, match=r"Hearth needs 9\.0 or later.*make setup PYTHON="):
        bootstrap.ensure_environment(tmp_path / ".venv", lock, silent)
    assert installed == []


def test_a_missing_venv_module_is_named_with_the_command_where_it_cannot_be_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(apt, "can_install", lambda: False)
    with pytest.raises(ToolchainError, match=r"sudo apt-get install python3\.\d+-venv"):
        bootstrap.ensure_venv_module(silent)


def test_what_runs_before_the_packages_are_there_needs_none_of_them() -> None:
    code = (
        "import sys; before = set(sys.modules); import toolchain.__main__; "
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(roots - set(sys.stdlib_module_names) - {'toolchain'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=versions.ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
