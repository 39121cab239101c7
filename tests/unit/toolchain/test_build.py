"""The engine that is built from Go modules where no release can be had."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.toolchain.helpers import own_cache, script, silent
from toolchain import apt, versions
from toolchain.errors import UnavailableError
from toolchain.pulumi import gobuild
from toolchain.pulumi.gobuild import GoPlan, plan

if TYPE_CHECKING:
    pass


__all__ = ["own_cache"]


NEEDED = (1, 25, 11)


@pytest.mark.parametrize(
    ("found", "can_install", "action"),
    [
        (None, True, "install"),
        (None, False, "none"),
        ((1, 25, 11), False, "use"),
        ((1, 26, 0), True, "use"),
        ((1, 24, 4), True, "self-update"),
        ((1, 21, 0), False, "self-update"),
        ((1, 19, 8), True, "fetch"),
        ((1, 12, 0), True, "none"),
    ],
)
def test_an_older_go_is_made_to_do_where_it_can(found: tuple[int, ...] | None, can_install: bool, action: str) -> None:
    decision: GoPlan = plan(found, NEEDED, can_install)
    assert decision.action == action
    assert (decision.reason == "") is (action == "use")


def fake_go(folder: Path, build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in place a `go` that says it is new, and builds as told; `$out` is the file that was asked for."""
    find_out = 'while [ "$1" != -o ]; do shift; done; out=$2; mkdir -p "$(dirname "$out")"'
    go = script(
        folder / "go", f'case $1 in version) echo "go version go1.99.0 linux/amd64";; build) {find_out}; {build};; esac'
    )
    monkeypatch.setattr(gobuild, "find_go", lambda: str(go))


def test_a_build_is_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, f'echo once >> {tmp_path}/log; cp /bin/true "$out"', monkeypatch)
    said: list[str] = []
    assert gobuild.build(said.append) == gobuild.build(said.append) == gobuild.built()
    assert (tmp_path / "log").read_text() == "once\n"
    assert any("this takes some minutes" in line for line in said)


def test_a_build_sees_no_flags_of_the_user_and_leaves_checksums_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -insecure")
    fake_go(tmp_path, f'env > {tmp_path}/env; ls go.* > {tmp_path}/files; cp /bin/true "$out"', monkeypatch)
    gobuild.build(silent)
    seen = (tmp_path / "env").read_text().splitlines()
    assert {"GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "GOWORK=off", "GOTOOLCHAIN=local"} <= set(seen)
    assert not [line for line in seen if line.startswith(("GONOSUMDB", "GONOSUMCHECK", "GOSUMDB=off"))]
    assert (tmp_path / "files").read_text().split() == ["go.mod", "go.sum"]


def test_a_build_that_fails_shows_its_last_lines_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tmp_path, 'touch "$out"; echo "proxy: 403 not available" >&2; exit 1', monkeypatch)
    with pytest.raises(UnavailableError, match="`go build` ended with 1: proxy: 403 not available"):
        gobuild.build(silent)
    assert gobuild.built() is None
    assert {path.name for path in versions.cache_folder().iterdir()} == {"lock", "build.log"}


def test_a_long_build_says_now_and_then_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "HEARTBEAT_SECONDS", 0.05)
    fake_go(tmp_path, 'sleep 0.3; cp /bin/true "$out"', monkeypatch)
    said: list[str] = []
    gobuild.build(said.append)
    assert any(line.startswith("still building") for line in said)


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftover = versions.cache_folder() / ".build-killed"
    leftover.mkdir(parents=True)
    fake_go(tmp_path, 'cp /bin/true "$out"', monkeypatch)
    gobuild.build(silent)
    assert not leftover.exists()


def test_go_is_installed_with_apt_where_that_is_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(gobuild, "find_go", lambda: None)
    monkeypatch.setattr(apt, "can_install", lambda: True)

    def install(*packages: str) -> None:
        installed.extend(packages)
        fake_go(tmp_path, 'cp /bin/true "$out"', monkeypatch)

    monkeypatch.setattr(apt, "install", install)
    assert os.access(gobuild.build(silent), os.X_OK)
    assert installed == ["golang-go"]
