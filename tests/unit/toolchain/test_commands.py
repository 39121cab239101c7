"""`./hearth`: which processes a command consists of, and that their exit codes arrive."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from config.systems import SYSTEMS
from tests.needs import needs
from toolchain import commands
from toolchain.stack.alone import hold_stack
from toolchain.versions import ROOT


def words(*line: str) -> list[list[str]]:
    """Return the processes of a command line, each without the Python that runs it."""
    return [command[1:] for command in commands.steps(commands.arguments().parse_args(line))]


SETUP = ["-m", "toolchain", "setup"]


def test_the_dev_stack_has_its_lab_around_it() -> None:
    up, down = words("up"), words("down")
    assert up == [SETUP, ["-m", "lab", "up"], ["-m", "toolchain", "up", "--stack", "dev", "--"]]
    assert down == [SETUP, ["-m", "toolchain", "down", "--stack", "dev", "--"], ["-m", "lab", "down"]]


@pytest.mark.parametrize("command", ["up", "preview", "drift", "down"])
def test_another_stack_has_none(command: str) -> None:
    expected = ["-m", "toolchain", command, "--stack", "prod", "--", "--target", "x"]
    assert words(command, "--stack", "prod", "--", "--target", "x") == [SETUP, expected]


@pytest.mark.parametrize(("flags", "shown"), [((), []), (("--disruptive",), ["--disruptive"])])
def test_checks_stop_parts_only_where_they_are_told_to(flags: tuple[str, ...], shown: list[str]) -> None:
    assert words("check", "--stack", "prod", *flags) == [SETUP, ["-m", "checks", "--stack", "prod", *shown]]


@pytest.mark.parametrize(("ends", "code"), [("sys.exit(7)", 7), ("sys.exit(0)", 0), ("os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_of_the_last_process_is_the_commands_own(ends: str, code: int) -> None:
    program = [sys.executable, "-c", f"import os, sys; {ends}"]
    assert commands.run([[sys.executable, "-c", "pass"], program]) == code


def test_what_fails_is_the_last_to_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        commands.run([[sys.executable, "-c", "import sys; sys.exit(3)"], [sys.executable, "-c", "print('ran')"]]) == 3
    )
    assert capfd.readouterr().out == ""


def test_the_launcher_runs_from_any_folder_and_keeps_the_exit_code_that_make_does_not() -> None:
    told = subprocess.run([ROOT / "hearth", "nonsense"], cwd="/", capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "invalid choice: 'nonsense'" in told.stderr
    shown = subprocess.run([ROOT / "hearth", "--help"], cwd="/", capture_output=True, text=True, check=True).stdout
    assert [name for name in commands.HELP if name not in shown] == []


def test_make_calls_the_launcher_for_each_of_its_commands() -> None:
    recipes = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"@\$\(HEARTH\) (\w+)", recipes)) == set(commands.HELP)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    # Not what the `make` told that runs the tests: how many recipes at once, its depth, and of which system.
    told = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SYSTEM"}
    environment = {name: value for name, value in os.environ.items() if name not in told}
    return subprocess.run(["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@needs("make", "make")
@pytest.mark.parametrize(
    ("given", "unknown"), [("nonsense", "nonsense"), ("%", "%"), ("../lab", "../lab"), ("core nonsense", "nonsense")]
)
def test_the_tests_of_a_system_that_there_is_not_are_refused_with_those_there_are(given: str, unknown: str) -> None:
    told = make("test", f"SYSTEM={given}")
    assert told.returncode == 2
    assert told.stdout == ""
    assert f"SYSTEM={given}: there is no system {unknown}, so nothing was run" in told.stderr
    assert f"give one or more of: {' '.join(sorted(SYSTEMS))}." in told.stderr


@needs("make", "make")
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_tests_of_one_system_are_those_of_its_folders_and_no_others(system: str) -> None:
    said = make("--dry-run", "test", f"SYSTEM={system}").stdout
    recipe = next(line for line in said.splitlines() if "pytest" in line)
    assert re.findall(r"tests/\S+", recipe) == [f"tests/unit/systems/{system}", f"tests/lab/systems/{system}"]


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_command_that_comes_upon_another_at_work_changes_nothing_and_says_whose_it_is(verb: str) -> None:
    stack = f"busy-{os.getpid()}"
    lock = ROOT / ".state" / f".hearth-command-{stack}.lock"
    held = hold_stack(lock, stack, "up")
    try:
        told = subprocess.run([ROOT / "hearth", verb, "--stack", stack], capture_output=True, text=True, check=False)
    finally:
        os.close(held)
        lock.unlink()
    assert told.returncode == 1
    assert told.stdout == ""
    assert f"at work on the stack {stack} already: `up`, pid {os.getpid()}. Nothing was changed." in told.stderr
