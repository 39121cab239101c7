"""Which engine is taken, from where, and what is said when none can be had."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.toolchain.helpers import own_cache, script, silent
from toolchain import __main__ as command_line
from toolchain import versions
from toolchain.errors import ToolchainError, UnavailableError
from toolchain.pulumi import engine, gobuild, installer
from toolchain.pulumi.engine import Engine, OnPath, choose

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["own_cache"]


# The pins


def test_the_engine_and_its_sdk_are_pinned_to_one_version_in_one_place() -> None:
    text = versions.GO_MODULE_FILE.read_text()
    for module in ("pkg", "sdk"):
        assert re.findall(rf"^\s*github\.com/pulumi/pulumi/{module}/v3 (\S+)", text, re.MULTILINE) == [
            f"v{versions.ENGINE}"
        ]
    assert f"tool {versions.ENGINE_PACKAGE}\n" in text
    assert (versions.parse_version(versions.ENGINE) or ()) >= versions.ENGINE_FLOOR
    tracked = subprocess.run(
        ["git", "grep", "-lF", versions.ENGINE, "--", "*.py", "*.yml", "*.yaml", "Makefile", "*.mod"],
        cwd=versions.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tracked.stdout.split() == ["toolchain/pulumi/go.mod"]


def test_the_python_sdk_is_that_of_the_lock_and_no_newer_than_the_engine() -> None:
    """An SDK speaks with later engines, and not with older ones; see ADR 60."""
    locked = re.findall(r"^pulumi==(\S+)", versions.LOCK_FILE.read_text(), re.MULTILINE)
    assert locked == [importlib.metadata.version("pulumi")]
    engine, sdk = versions.parse_version(versions.ENGINE), versions.parse_version(locked[0])
    assert engine is not None
    assert sdk is not None
    assert sdk[0] == engine[0]
    assert sdk <= engine


@pytest.mark.parametrize(
    "text",
    ["require github.com/pulumi/pulumi/pkg/v3 v3.1.2\n", "\tgithub.com/pulumi/pulumi/pkg/v3 v3.1.2 // indirect\n"],
)
def test_the_version_is_read_as_go_mod_may_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "go.mod").write_text(f"module x\n{text}")
    assert versions.pinned_engine(tmp_path / "go.mod") == "3.1.2"


def test_a_go_mod_without_the_engine_is_named(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\tgithub.com/pulumi/pulumi/sdk/v3 v3.1.2\n")
    with pytest.raises(ValueError, match=r"go\.mod does not require .*restore it from git"):
        versions.pinned_engine(tmp_path / "go.mod")


def test_the_command_line_prints_the_version_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(command_line.arguments().parse_args(["version"])) == 0
    assert capsys.readouterr().out == f"{versions.ENGINE}\n"


def test_the_previews_of_pull_requests_run_the_same_engine() -> None:
    text = (versions.ROOT / ".github/workflows/preview.yml").read_text()
    assert set(re.findall(r"pulumi-version: (.+)", text)) == {"${{ needs.stacks.outputs.engine }}"}
    assert "engine=$(python3 -m toolchain version)" in text


def test_a_build_is_named_by_what_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions.build_key()
    changed = tmp_path / "go.sum"
    changed.write_text(versions.GO_SUM_FILE.read_text() + "\n")
    monkeypatch.setattr(versions, "GO_SUM_FILE", changed)
    assert versions.build_key() != before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("v3.260.1-dev.4", (3, 260, 1)),
        ("1.26", (1, 26, 0)),
        ("no version", None),
    ],
)
def test_a_version_is_read_from_what_programs_print(text: str, expected: tuple[int, ...] | None) -> None:
    assert versions.parse_version(text) == expected


# The order


class FakeSource:
    """A way to an engine that is there, can be had, or is closed."""

    def __init__(self, name: str, *, there: bool = False, obtainable: bool = False) -> None:
        self.name = name
        self.there, self.obtainable, self.asked = there, obtainable, False

    def find(self) -> Engine | None:
        return Engine(Path(self.name), self.name, official=True) if self.there else None

    def obtain(self, say: Callable[[str], None]) -> Engine:
        self.asked = True
        if not self.obtainable:
            raise UnavailableError("closed")
        return Engine(Path(self.name), self.name, official=True)


@pytest.mark.parametrize(
    ("there", "obtainable", "chosen", "asked"),
    [
        ("path", "", "path", ""),
        ("path download build", "download build", "path", ""),
        ("build", "download", "build", ""),  # what is there asks no network
        ("download build", "", "download", ""),
        ("", "download build", "download", "path download"),
        ("", "build", "build", "path download build"),
    ],
)
def test_the_first_engine_that_is_there_is_taken_else_the_first_that_can_be_had(
    there: str, obtainable: str, chosen: str, asked: str
) -> None:
    names = ("path", "download", "build")
    sources = [FakeSource(n, there=n in there.split(), obtainable=n in obtainable.split()) for n in names]
    assert choose(sources, silent).origin == chosen
    assert " ".join(source.name for source in sources if source.asked) == asked


def test_with_no_way_open_one_message_names_each_reason_and_what_to_install() -> None:
    with pytest.raises(ToolchainError) as caught:
        choose([FakeSource("one way"), FakeSource("another way")], silent)
    message = str(caught.value)
    assert "one way: closed" in message
    assert "another way: closed" in message
    assert f"Install Pulumi {versions.show(versions.ENGINE_FLOOR)}" in message
    assert "make setup" in message


def test_a_machine_without_pulumi_network_go_and_apt_gets_one_message_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(installer.RELEASES_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setattr(gobuild, "find_go", lambda: None)
    monkeypatch.setattr(command_line, "enter_environment", lambda: None)
    monkeypatch.setattr(sys, "argv", ["toolchain", "setup"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: No Pulumi engine can be had on this machine")
    assert "Go is not installed" in shown.err
    assert "can't be reached" in shown.err
    assert "Traceback" not in shown.err + shown.out


# The PATH


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (f"echo v{versions.ENGINE}", True),
        ("echo v3.300.1", True),
        ("echo v3.258.9", False),
        ("echo v4.0.0", False),
        ("exit 1", False),
        ("echo hello", False),
    ],
)
def test_an_engine_on_the_path_is_taken_only_at_a_version_that_will_do(
    tmp_path: Path, answer: str, taken: bool
) -> None:
    script(tmp_path / "bin" / "pulumi", answer)
    assert (OnPath(f"{tmp_path}/bin:/nowhere").find() is not None) is taken


def test_our_own_launcher_on_the_path_is_not_taken_for_an_engine(tmp_path: Path) -> None:
    script(tmp_path / "clone" / "pulumi", f"# {engine.LAUNCHER_MARK}\necho v{versions.ENGINE}")
    real = script(tmp_path / "real" / "pulumi", f"echo v{versions.ENGINE}")
    found = OnPath(f"{tmp_path}/clone:{tmp_path}/real").find()
    assert found is not None
    assert found.path == real


def test_an_engine_with_its_own_language_host_is_official_and_one_without_is_not(tmp_path: Path) -> None:
    real = script(tmp_path / "opt" / "pulumi", f"echo v{versions.ENGINE}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(real)
    source = OnPath(str(tmp_path / "bin"))
    assert source.find() == Engine(tmp_path / "bin" / "pulumi", f"on the PATH, {versions.ENGINE}", official=False)
    script(tmp_path / "opt" / "pulumi-language-python", "exit 0")
    found = source.find()
    assert found is not None
    assert found.official


def test_an_engine_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    script(tmp_path / "pulumi", "echo v3.100.0")
    source = OnPath(str(tmp_path))
    assert source.find() is None
    with pytest.raises(UnavailableError, match=r"is 3\.100\.0; 3\.259\.0 up to 4\.0\.0 will do"):
        source.obtain(silent)
