"""The workflows' own scripts, run as GitHub runs them, where that needs no runner; docs/truth.md says what remains."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import engine_providers
from toolchain.pulumi.launchers import engine_launcher
from toolchain.versions import ENGINE, ROOT

FOLDER = ROOT / ".github" / "workflows"


@dataclass(frozen=True)
class Script:
    """A step's `run:`, and what its `env:` sets."""

    workflow: str
    job: str
    name: str
    text: str
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.workflow}: {self.name}"


def scripts() -> list[Script]:
    """Return every script of every workflow."""
    found: list[Script] = []
    for path in sorted(FOLDER.glob("*.yml")):
        jobs: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)["jobs"]
        for job, each in jobs.items():
            for number, step in enumerate(each["steps"]):
                if "run" in step:
                    name = step.get("id") or step.get("name") or f"step {number}"
                    found.append(Script(path.stem, job, name, step["run"], step.get("env", {})))
    return found


def script(workflow: str, name: str) -> Script:
    return next(each for each in scripts() if (each.workflow, each.name) == (workflow, name))


def run(text: str, folder: Path, path: str, **environment: str) -> tuple[int, str]:
    """Run a script as a runner does; return the exit code and what it wrote to its outputs."""
    outputs = folder / "outputs"
    outputs.write_text("")
    # https://docs.github.com/actions: without `shell`, it is `bash -e` and has no pipefail.
    answer = subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=ROOT,
        env={"HOME": str(folder), "GITHUB_OUTPUT": str(outputs), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return answer.returncode, outputs.read_text()


def program(folder: Path, name: str, text: str) -> str:
    """Put a program of our own first on the PATH; return the PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a PATH whose python3 is the one that runs the tests."""
    return program(tmp_path / "python", "python3", f'exec {sys.executable} "$@"')


@pytest.mark.parametrize("each", scripts(), ids=str)
def test_a_script_is_right_by_shellcheck_and_takes_nothing_into_its_text(each: Script) -> None:
    # What an expression becomes would be read as shell: values come by `env`.
    assert "${{" not in each.text
    command = [str(Path(sys.executable).parent / "shellcheck"), "--shell=bash", "-"]
    done = subprocess.run(command, input=each.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_engine_that_is_fetched_is_the_pinned_one(tmp_path: Path, path: str) -> None:
    assert run(script("providers", "engine").text, tmp_path, path) == (0, f"version={ENGINE}\n")


def test_the_stacks_that_are_previewed_are_those_that_changes_touch(tmp_path: Path, path: str) -> None:
    code, outputs = run(script("preview", "changed").text, tmp_path, path, BASE="HEAD")
    lines = dict(line.split("=", 1) for line in outputs.splitlines())
    assert (code, lines.keys(), lines["engine"]) == (0, {"stacks", "engine"}, ENGINE)
    assert isinstance(json.loads(lines["stacks"]), list)


def test_settings_that_can_be_read_are_previewed_as_they_are(tmp_path: Path, path: str) -> None:
    given = {"STACK": "dev", "PULUMI_BACKEND_URL": "s3://states", "PULUMI_CONFIG_PASSPHRASE": "a passphrase"}
    code, outputs = run(script("preview", "settings").text, tmp_path, path, **given)
    assert (code, outputs) == (0, "backend=s3://states\n")


@pytest.mark.parametrize(
    ("workflow", "name"), [("providers", "engine"), ("preview", "changed"), ("preview", "settings")]
)
def test_a_step_whose_program_fails_fails_and_hands_nothing_on(tmp_path: Path, workflow: str, name: str) -> None:
    broken = program(tmp_path / "broken", "python3", "echo half; exit 3")
    assert run(script(workflow, name).text, tmp_path, broken, STACK="dev", BASE="HEAD") == (3, "")


def test_each_provider_is_installed_in_the_version_that_its_sdk_asks_for(tmp_path: Path, path: str) -> None:
    text = script("providers", "install the providers that the SDKs ask for").text
    log = tmp_path / "log"
    # In the place of sudo: what it is to run, written down; Python is run, a download is not.
    sudo = f'echo "$*" >> {log}\ncase $1 in */python) shift; exec {sys.executable} "$@" ;; esac'
    where = program(tmp_path / "sudo", "sudo", sudo)
    assert run(text, tmp_path, where)[0] == 0
    wanted = [f"{each} {importlib.metadata.version(f'pulumi-{each}')}" for each in engine_providers.OFFICIAL]
    install = ".venv/bin/pulumi plugin install resource "
    assert [line.removeprefix(install) for line in log.read_text().splitlines() if install in line] == wanted
    # One that can't be downloaded stops the step there.
    log.unlink()
    where = program(tmp_path / "sudo", "sudo", sudo.replace("esac", "*) exit 4 ;; esac"))
    assert run(text, tmp_path, where)[0] == 4
    assert log.read_text().count(install) == 1


def test_what_the_clones_own_pulumi_installs_is_where_the_engines_tests_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow installs by .venv/bin/pulumi, which keeps plugins beside the clone's state."""
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    launcher = engine_launcher(Path("/usr/bin/env"), ROOT)
    shown = subprocess.run(["sh", "-c", launcher], capture_output=True, text=True, check=True).stdout
    assert f"PULUMI_HOME={engine_providers.homes()[0]}\n" in shown
    assert Path.home() / ".pulumi" in engine_providers.homes()
    monkeypatch.setenv("PULUMI_HOME", "/elsewhere")
    assert engine_providers.homes() == [Path("/elsewhere")]


def test_every_step_of_our_own_is_run_here_or_runs_what_other_tests_run() -> None:
    elsewhere = {
        "preview: step 2": "make setup, which every run of the tests begins with",
        "providers: step 3": "make setup, as root",
        "providers: bring the systems up by the engine": "pytest, with providers that only GitHub's runner can have",
        "providers: plain Pulumi on a fresh clone, as its own documents have it": "by the official engine's own host; "
        "test_fresh_clone.py does it by ours",
        "test: step 1": ".ci/run, which is what CI runs here",
    }
    here = {"preview: changed", "preview: settings", "providers: engine"}
    here.add("providers: install the providers that the SDKs ask for")
    assert {str(each) for each in scripts()} == here | elsewhere.keys()
