"""The parts of the language host that need no engine."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import grpc
import pytest
from pulumi import log
from pulumi.runtime import resource
from pulumi.runtime.proto import source_pb2

from toolchain.pulumi import language_host as host


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was shown as errors of the stack."""
    shown: list[str] = []
    monkeypatch.setattr(log, "error", shown.append)
    return shown


def traceback_of(program: Path) -> str:
    """Return the traceback that a user sees of a program that fails."""
    try:
        host.run_file(program)
    except BaseException as error:  # noqa: BLE001 - the test's own program raises it
        return host.program_traceback(error, program)
    raise AssertionError("the program did not fail")


def test_it_speaks_for_the_version_of_the_sdk_that_is_installed() -> None:
    assert host.LanguageHost().GetPluginInfo(None, None).version == importlib.metadata.version("pulumi")


def test_a_traceback_begins_at_the_program(tmp_path: Path) -> None:
    program = tmp_path / "__main__.py"
    program.write_text("def fail():\n    {}['key']\nfail()\n")
    lines = traceback_of(program).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{program}", line 3, in <module>'
    assert lines[-1] == "KeyError: 'key'"
    assert not [line for line in lines if "runpy" in line or "language_host" in line]


def test_each_part_of_a_chained_exception_begins_at_the_program(tmp_path: Path) -> None:
    program = tmp_path / "__main__.py"
    program.write_text(
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    raise ExceptionGroup('several', [ValueError('one')]) from error\n"
    )
    text = traceback_of(program)
    assert text.count(f'File "{program}"') == 2
    assert "ZeroDivisionError" in text
    assert "ValueError: one" in text
    assert "runpy" not in text


def test_a_mistake_in_the_syntax_names_the_line(tmp_path: Path) -> None:
    program = tmp_path / "__main__.py"
    program.write_text("x = 1\ny = = 2\n")
    text = traceback_of(program)
    assert f'File "{program}", line 2' in text
    assert "SyntaxError" in text
    assert "runpy" not in text


@pytest.mark.parametrize(
    ("code", "error", "bail", "message"),
    [
        (None, "", False, None),
        (0, "", False, None),
        (4, "Program exited with non-zero exit code: 4", False, None),
        ("wrong settings", "", True, "wrong settings"),
    ],
)
def test_an_exit_is_answered_by_its_code(
    reported: list[str], code: int | str | None, error: str, bail: bool, message: str | None
) -> None:
    answer = host.program_exited(SystemExit(code))
    assert (answer.error, answer.bail) == (error, bail)
    assert reported == ([] if message is None else [message])


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        (["component.py", "__main__.py", "runpy.py", "language_host.py"], ["component.py", "__main__.py"]),
        (["callback.py", "events.py", "threading.py"], ["callback.py"]),
        ([], []),
    ],
)
def test_a_resource_is_recorded_with_the_frames_of_the_program_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: list[str], recorded: list[str]
) -> None:
    frames = [source_pb2.StackFrame(pc=source_pb2.SourcePosition(uri=(tmp_path / name).as_uri())) for name in sent]
    whole = source_pb2.StackTrace(frames=frames)
    monkeypatch.setattr(resource, "_get_stack_trace", lambda: whole)
    with host.own_frames_only(tmp_path / "__main__.py"):
        cut = resource._get_stack_trace()
    assert [Path(frame.pc.uri).name for frame in cut.frames] == recorded
    assert resource._get_stack_trace() is whole


class Failed(grpc.RpcError):
    """A call that failed with a code."""

    def __init__(self, code: grpc.StatusCode, details: str = "no such type") -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_an_engine_that_closed_its_side_needs_no_second_message(reported: list[str], code: grpc.StatusCode) -> None:
    assert host.monitor_failed(Failed(code)).bail
    assert reported == []


@pytest.mark.parametrize(
    ("code", "details", "ended"),
    [
        (grpc.StatusCode.UNKNOWN, "resource monitor shut down", True),
        (grpc.StatusCode.UNKNOWN, "grpc: the client connection is closing", True),
        (grpc.StatusCode.CANCELLED, "context canceled", True),  # Ctrl-C, by the engine of 3.274
        (grpc.StatusCode.UNKNOWN, "no such type", False),
    ],
)
def test_what_the_sdk_makes_of_an_engine_that_ends_the_update_is_known_for_it(
    code: grpc.StatusCode, details: str, ended: bool
) -> None:
    call = Failed(code, details)
    raised = RuntimeError("a resource has a problem")
    raised.__context__ = call
    assert host.engine_has_ended(raised) is ended
    assert host.engine_has_ended(call) is ended


def test_an_exception_of_the_program_is_not_the_engines_end() -> None:
    assert not host.engine_has_ended(ValueError("resource monitor shut down"))


def test_an_update_that_the_engine_ends_needs_no_second_message(reported: list[str]) -> None:
    assert host.monitor_failed(Failed(grpc.StatusCode.UNKNOWN, "resource monitor shut down")).bail
    assert reported == []


def test_a_call_that_the_engine_refused_is_shown(reported: list[str]) -> None:
    assert host.monitor_failed(Failed(grpc.StatusCode.UNKNOWN)).bail
    assert reported == ["A call to Pulumi's engine failed: no such type"]


@pytest.mark.parametrize(
    ("module_file", "own"),
    [
        ("/project/config/model.py", True),
        ("/project/.venv/lib/python3.11/site-packages/pydantic/main.py", False),
        ("/usr/lib/python3.11/json/__init__.py", False),
        (None, False),
    ],
)
def test_only_the_programs_own_modules_are_forgotten(module_file: str | None, own: bool) -> None:
    assert host.belongs_to_program(module_file, Path("/project")) is own


def test_the_process_is_given_back_as_it_was(tmp_path: Path) -> None:
    program = tmp_path / "__main__.py"
    (tmp_path / "helper_of_the_program.py").write_text("value = 1\n")
    program.write_text("import helper_of_the_program, sys\nassert sys.argv[1:] == ['an argument']\n")
    before = Path.cwd(), list(sys.path), list(sys.argv)
    with host.borrowed_process(tmp_path, program, ["an argument"]):
        host.run_file(program)
        assert Path.cwd() == tmp_path
        assert "helper_of_the_program" in sys.modules
    assert (Path.cwd(), sys.path, sys.argv) == before
    assert "helper_of_the_program" not in sys.modules


def test_the_entry_point_is_a_file_or_a_folder_with_a_main(tmp_path: Path) -> None:
    found = [host.program_file(tmp_path, entry_point).name for entry_point in ("", ".", "main.py")]
    assert found == ["__main__.py", "__main__.py", "main.py"]


def test_it_ends_when_its_parent_is_another_than_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(host.os, "_exit", ended.append)
    host.watch_parent(parent=os.getppid() + 1)
    assert ended == [0]
