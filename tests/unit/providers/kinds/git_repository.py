"""A git repository in folders of the test, and a place for its checkout."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from providers.kinds.git_checkout.kind import (
    KIND,
    GitCheckoutInputs,
    apply,
    observe,
)
from tests.unit.providers.kinds.local_session import ME, LocalSession


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "a.txt").write_text(text)
    git(folder, "add", "a.txt")
    git(folder, "commit", "-q", "-m", text)
    return git(folder, "rev-parse", "HEAD")


class Repository:
    """An origin with the tags v1 and v2 and the branch main at v2, and a path for the checkout."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.origin, self.path = folder / "origin", folder / "checkout"
        self.template, self.cloned = template, template.with_name(f"{template.name}-cloned")
        shutil.copytree(template, self.origin)
        self.first, self.second = git(self.origin, "rev-parse", "v1", "v2").split()
        self.url = f"file://{self.origin}"
        self.session = LocalSession()

    def wish(self, revision: str = "v1", **other: Any) -> GitCheckoutInputs:
        inputs = {"host": "here", "path": str(self.path), "url": self.url, "revision": revision, "owner": ME, **other}
        return GitCheckoutInputs.model_validate(inputs)

    async def up(self, wish: GitCheckoutInputs):
        before = await observe(self.session, wish)
        await apply(self.session, wish, before)
        after = await observe(self.session, wish)
        assert KIND.differences(wish, after) == {}
        return before, after

    def clone(self) -> None:
        """Make what `git clone` makes, by a copy of one that it made."""
        shutil.copytree(self.cloned, self.path)
        config = self.path / ".git/config"
        config.write_text(config.read_text().replace(f"file://{self.template}", self.url))

    def picture(self) -> dict[str, str]:
        """Return all that a destroy has to put back."""
        return {
            "head": (self.path / ".git/HEAD").read_text(),
            "config": (self.path / ".git/config").read_text(),
            "refs": git(self.path, "for-each-ref"),
            "status": git(self.path, "status", "--porcelain"),
            "text": (self.path / "a.txt").read_text(),
        }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    git(folder, "init", "-q")
    commit(folder, "one")
    git(folder, "tag", "v1")
    commit(folder, "two")
    git(folder, "tag", "v2")
    git(folder.parent, "clone", "-q", f"file://{folder}", f"{folder.name}-cloned")
    return folder


@pytest.fixture
def place(tmp_path: Path, template: Path) -> Repository:
    return Repository(tmp_path, template)
