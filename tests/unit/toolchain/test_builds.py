"""A kept build is whole or not there, and is named by what goes into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain import builds


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builds, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_what_was_built_is_at_its_place_and_nothing_else_is_left(cache: Path) -> None:
    (cache / ".one-killed" / "work").mkdir(parents=True)
    (cache / ".two-at-work").mkdir()
    (cache / "one-1").mkdir()
    (cache / "one-1" / "half").touch()
    with builds.kept_build(cache / "one-1", "one") as (work, out):
        (work / "go.mod").touch()
        (out / "program").write_text("new")
    assert sorted(path.name for path in cache.iterdir()) == [".two-at-work", "one-1"]
    assert [path.name for path in (cache / "one-1").iterdir()] == ["program"]


def test_of_a_build_that_failed_nothing_is_there_and_the_one_before_stays(cache: Path) -> None:
    (cache / "one-1").mkdir()

    def fail() -> None:
        with builds.kept_build(cache / "one-1", "one") as (_, out):
            (out / "program").touch()
            raise RuntimeError("the compiler failed")

    with pytest.raises(RuntimeError, match="the compiler failed"):
        fail()
    assert list(cache.iterdir()) == [cache / "one-1"]
    assert list((cache / "one-1").iterdir()) == []


def test_a_key_tells_names_contents_and_flags_apart(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module a")
    keys = {builds.key_of(tmp_path, "-s"), builds.key_of(tmp_path, "-w")}
    (tmp_path / "go.mod").write_text("module b")
    keys.add(builds.key_of(tmp_path, "-s"))
    (tmp_path / "go.mod").rename(tmp_path / "go.sum")
    keys.add(builds.key_of(tmp_path, "-s"))
    assert len(keys) == 4
