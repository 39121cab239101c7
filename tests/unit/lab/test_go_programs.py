"""What the lab builds from a Go module: found once it is there, named by what goes into it, told where it can't be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import go_programs
from lab.go_programs import GoPrograms
from lab.systems.maubot.dendrite.build import DENDRITE
from lab.systems.secondbrain.podman4.build import PLACES, PODMAN
from toolchain import builds
from toolchain.errors import UnavailableError

Built = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoPrograms:
    for module in (go_programs, builds):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    source = tmp_path / "module"
    source.mkdir()
    (source / "go.mod").write_text("module trial\n\ngo 1.25.0\n")
    return GoPrograms("Trial", "1.2.3", source, ("example.org/cmd/one", "example.org/cmd/two"), "a moment")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Built:
    """Have Go write an executable for each package; return the commands, each with its environment."""
    commands: Built = []

    def compiled(command: list[str], _folder: Path, environment: dict[str, str], _say: Callable[[str], None]) -> None:
        commands.append((command, environment))
        out = Path(command[command.index("-o") + 1])
        for package in command[command.index("-o") + 2 :]:
            (out / Path(package).name).touch(mode=0o755)

    def ready(*_: Any) -> tuple[str, dict[str, str]]:
        return "go", {"CGO_ENABLED": "0"}

    monkeypatch.setattr(go_programs, "ready_go", ready)
    monkeypatch.setattr(go_programs, "run_visibly", compiled)
    return commands


def test_they_are_built_once_and_found_from_then_on(programs: GoPrograms, built: Built) -> None:
    assert programs.built() is None
    folder = programs.build(print)
    assert programs.build(print) == programs.built() == folder
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]
    ((_, environment),) = built
    assert environment["CGO_ENABLED"] == "0"


def test_where_one_of_them_is_gone_all_are_built_anew(programs: GoPrograms, built: Built) -> None:
    (programs.build(print) / "two").unlink()
    assert programs.built() is None
    programs.build(print)
    assert len(built) == 2
    assert programs.built() is not None


def test_another_pin_or_another_tag_is_another_build(programs: GoPrograms) -> None:
    folders = {programs.folder, replace(programs, tags=("seccomp",)).folder, replace(programs, version="1.2.4").folder}
    (programs.source / "go.sum").write_text("example.org v1.2.4 h1:x\n")
    assert len({*folders, programs.folder}) == 4


@pytest.mark.usefixtures("built")
def test_parts_in_c_whose_headers_are_missing_are_told_with_the_packages_that_have_them(
    programs: GoPrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = tmp_path / "seccomp.h"
    wanting = replace(programs, headers=((str(header), "libseccomp-dev"),))
    monkeypatch.setattr(go_programs, "C_COMPILER", {})
    monkeypatch.setattr(go_programs.apt, "can_install", lambda: False)
    with pytest.raises(UnavailableError, match=r"Trial 1.2.3 .* nothing was built.*apt-get install libseccomp-dev"):
        wanting.build(print)
    assert wanting.built() is None
    installed: list[str] = []
    monkeypatch.setattr(go_programs.apt, "can_install", lambda: True)
    monkeypatch.setattr(go_programs.apt, "install", lambda *packages: installed.extend(packages))
    assert wanting.build(print) == wanting.built()
    assert installed == ["libseccomp-dev"]


def test_with_parts_in_c_the_compiler_for_them_is_on(programs: GoPrograms, built: Built, tmp_path: Path) -> None:
    (tmp_path / "seccomp.h").touch()
    replace(programs, headers=((str(tmp_path / "seccomp.h"), "libseccomp-dev"),)).build(print)
    ((_, environment),) = built
    assert environment["CGO_ENABLED"] == "1"


@pytest.mark.parametrize("each", [DENDRITE, PODMAN], ids=lambda each: each.name)
def test_the_pinned_version_is_the_one_that_the_lock_files_require(each: GoPrograms) -> None:
    module = each.packages[0].partition("/cmd/")[0]
    required = re.findall(
        rf"^\s*(?:require )?{re.escape(module)} v(\S+)", (each.source / "go.mod").read_text(), re.MULTILINE
    )
    assert required == [each.version]
    assert f"{module} v{each.version} h1:" in (each.source / "go.sum").read_text()


def test_podman_is_built_with_the_timers_that_ask_after_health() -> None:
    assert "systemd" in PODMAN.tags
    assert PLACES.keys() == {package.rpartition("/")[2] for package in PODMAN.packages}
