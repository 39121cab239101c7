"""What `make` does so that the dev stack's salt is in no commit and in no `git status`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from toolchain import versions
from toolchain.stack import git_filter


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder: what it printed."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_salt_of_a_clone_enters_no_commit(tmp_path: Path) -> None:
    shutil.copy(versions.ROOT / ".gitattributes", tmp_path)
    git(tmp_path, "init", "-q")
    assert git_filter.ensure_filter(tmp_path)
    assert not git_filter.ensure_filter(tmp_path)
    for stack in ("dev", "prod"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config:\n  a: 1\nencryptionsalt: v1:abc\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "settings")
    assert git(tmp_path, "show", "HEAD:Pulumi.dev.yaml") == "config:\n  a: 1\n"
    assert "encryptionsalt: v1:abc" in git(tmp_path, "show", "HEAD:Pulumi.prod.yaml")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  a: 1\nencryptionsalt: v1:other\n")
    assert git(tmp_path, "diff") == ""


SALTED = "config:\n  a: 1\nencryptionsalt: v1:abc\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone with the filter, and settings without a salt in it."""
    shutil.copy(versions.ROOT / ".gitattributes", tmp_path)
    git(tmp_path, "init", "-q")
    assert git_filter.ensure_filter(tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text(SALTED.replace("encryptionsalt: v1:abc\n", ""))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "settings")
    return tmp_path


def test_a_salt_does_not_show_in_the_status(clone: Path) -> None:
    (clone / "Pulumi.dev.yaml").write_text(SALTED)
    assert git(clone, "status", "--short") == " M Pulumi.dev.yaml\n"  # what there is to settle
    git_filter.settle(clone)
    assert git(clone, "status", "--short") == ""


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_of_the_settings_stays_as_it_is(clone: Path, staged: bool) -> None:
    (clone / "Pulumi.dev.yaml").write_text(SALTED.replace("a: 1", "a: 2"))
    if staged:
        git(clone, "add", ".")
        (clone / "Pulumi.dev.yaml").write_text(SALTED.replace("a: 1", "a: 2").replace("abc", "another"))
    git_filter.settle(clone)
    assert git(clone, "status", "--short") == ("M  Pulumi.dev.yaml\n" if staged else " M Pulumi.dev.yaml\n")


def test_settings_that_git_does_not_know_are_not_added(clone: Path) -> None:
    git(clone, "rm", "-q", "--cached", "Pulumi.dev.yaml")
    git(clone, "commit", "-q", "-m", "without them")
    git_filter.settle(clone)
    assert git(clone, "status", "--short") == "?? Pulumi.dev.yaml\n"


def test_a_folder_that_is_no_clone_needs_no_filter(tmp_path: Path) -> None:
    assert not git_filter.ensure_filter(tmp_path)
    git_filter.settle(tmp_path)
