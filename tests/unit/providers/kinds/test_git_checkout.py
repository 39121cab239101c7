"""The kind GitCheckout with a real git in folders of the test."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from providers.errors import CommandFailed, InvalidInput, NotConverged
from providers.kinds.git_checkout.kind import (
    KIND,
    GitCheckoutInputs,
    apply,
    observe,
    restore,
)
from providers.machine import worker
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
        git(self.origin.parent, "clone", "-q", self.url, str(self.path))

    def picture(self) -> dict[str, str]:
        """Return all that a destroy has to put back."""
        return {
            "head": (self.path / ".git/HEAD").read_text(),
            "config": (self.path / ".git/config").read_text(),
            "refs": git(self.path, "for-each-ref"),
            "status": git(self.path, "status", "--porcelain"),
            "text": (self.path / "a.txt").read_text(),
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    git(folder, "init", "-q")
    commit(folder, "one")
    git(folder, "tag", "v1")
    commit(folder, "two")
    git(folder, "tag", "v2")
    return folder


@pytest.fixture
def place(tmp_path: Path, template: Path) -> Repository:
    return Repository(tmp_path, template)


@pytest.mark.parametrize("revision", ["v1", "main", "commit", "short"])
async def test_a_checkout_is_made_at_a_tag_a_branch_or_a_commit_and_removed(place: Repository, revision: str):
    revision = {"commit": place.first, "short": place.first[:9]}.get(revision, revision)
    wish = place.wish(revision)
    before, after = await place.up(wish)
    assert not before.present
    assert after.commit == (place.second if revision == "main" else place.first)
    assert (place.path / "a.txt").read_text() == ("two" if revision == "main" else "one")
    await restore(place.session, wish, before)
    assert not place.path.exists()


async def test_an_empty_folder_that_was_there_is_empty_again(place: Repository):
    place.path.mkdir(mode=0o700)
    before, _ = await place.up(place.wish())
    await restore(place.session, place.wish(), before)
    assert list(place.path.iterdir()) == []
    assert place.path.stat().st_mode & 0o777 == 0o700


async def test_a_change_of_the_revision_is_named_and_carried_out(place: Repository):
    before, _ = await place.up(place.wish("v1"))
    assert KIND.differences(place.wish("v2"), await observe(place.session, place.wish("v2"))) == {
        "revision": ("v2", f"<commit {place.first[:12]}>")
    }
    _, after = await place.up(place.wish("v2"))
    assert after.commit == place.second
    await restore(place.session, place.wish("v2"), before)
    assert not place.path.exists()


async def test_a_checkout_that_is_right_is_adopted_and_left_with_its_local_changes(place: Repository):
    place.clone()
    wish = place.wish("main")
    before = await observe(place.session, wish)
    assert KIND.differences(wish, before) == {}
    (place.path / "a.txt").write_text("mine")
    picture = place.picture()
    await restore(place.session, wish, before)
    assert place.picture() == picture


async def test_a_checkout_at_another_revision_and_remote_is_put_back_exactly(place: Repository):
    place.clone()
    git(place.path, "remote", "set-url", "origin", "https://user:token@example.org/other.git")
    git(place.path, "tag", "of-mine")
    picture = place.picture()
    before = await observe(place.session, place.wish())
    assert before.url == "https://example.org/other.git"
    assert "token" not in before.model_dump_json()
    await place.up(place.wish("v1"))
    await place.up(place.wish("v2"))
    await restore(place.session, place.wish(), before)
    assert place.picture() == picture
    await restore(place.session, place.wish(), before)
    assert place.picture() == picture


async def test_a_checkout_without_a_remote_and_on_no_branch_is_put_back_exactly(place: Repository):
    place.clone()
    git(place.path, "remote", "remove", "origin")
    git(place.path, "checkout", "-q", "--detach", place.first)
    picture = place.picture()
    before, _ = await place.up(place.wish("v2"))
    await restore(place.session, place.wish("v2"), before)
    assert place.picture() == picture


async def test_local_changes_of_a_checkout_that_was_there_are_refused_and_kept(place: Repository):
    place.clone()
    (place.path / "a.txt").write_text("mine")
    picture = place.picture()
    before = await observe(place.session, place.wish())
    with pytest.raises(InvalidInput, match="local changes") as caught:
        await apply(place.session, place.wish(), before)
    assert "a.txt" in str(caught.value)
    assert place.picture() == picture


@pytest.mark.parametrize("drift", ["edited", "deleted", "moved"])
async def test_drift_of_a_checkout_is_named_and_repaired(place: Repository, drift: str):
    wish = place.wish("v1")
    await place.up(wish)
    if drift == "edited":
        (place.path / "a.txt").write_text("drift")
    elif drift == "deleted":
        (place.path / "a.txt").unlink()
    else:
        git(place.path, "checkout", "-q", "v2")
    found = KIND.differences(wish, await observe(place.session, wish))["revision"][1]
    assert found == (f"<commit {place.second[:12]}>" if drift == "moved" else "v1 <changed: a.txt>")
    await place.up(wish)
    assert (place.path / "a.txt").read_text() == "one"


async def test_a_refresh_asks_no_network_and_changes_nothing(place: Repository):
    wish = place.wish("main")
    await place.up(wish)
    index = (place.path / ".git/index").read_bytes()
    os.utime(place.path / "a.txt")
    commit(place.origin, "three")
    assert KIND.differences(wish, await observe(place.session, wish)) == {}
    assert (place.path / ".git/index").read_bytes() == index


async def test_a_creation_that_was_cut_short_goes_on(place: Repository):
    place.path.mkdir()
    git(place.path, "init", "-q", "--bare", ".git.hearth")
    before, _ = await place.up(place.wish())
    assert not before.present
    assert not (place.path / ".git.hearth").exists()


async def test_an_unknown_revision_is_named(place: Repository):
    with pytest.raises(NotConverged, match="'v9' is no branch, tag or commit"):
        await apply(place.session, place.wish("v9"), await observe(place.session, place.wish("v9")))


async def test_an_origin_that_is_not_there_is_an_error_with_what_git_said(place: Repository):
    wish = place.wish(url="file:///nowhere/at/all")
    with pytest.raises(CommandFailed, match="can't be fetched") as caught:
        await apply(place.session, wish, await observe(place.session, wish))
    assert "/nowhere/at/all" in caught.value.detail


async def test_a_folder_with_other_things_is_refused(place: Repository):
    place.path.mkdir()
    (place.path / "letter").write_text("dear")
    before = await observe(place.session, place.wish())
    with pytest.raises(InvalidInput, match="no git checkout"):
        await apply(place.session, place.wish(), before)
    await restore(place.session, place.wish(), before)
    assert (place.path / "letter").exists()


async def test_a_repository_without_a_commit_is_refused(place: Repository):
    place.path.mkdir()
    git(place.path, "init", "-q")
    with pytest.raises(InvalidInput, match="without any commit"):
        await apply(place.session, place.wish(), await observe(place.session, place.wish()))


async def test_a_damaged_repository_is_an_error_with_what_git_said(place: Repository):
    (place.path / ".git").mkdir(parents=True)
    found = await observe(place.session, place.wish())
    assert found.revision.startswith("<unreadable: fatal")
    with pytest.raises(CommandFailed, match="git failed"):
        await apply(place.session, place.wish(), found)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a checkout to another account")
async def test_root_does_not_take_over_a_checkout_of_another_account(place: Repository):
    place.clone()
    os.chown(place.path, 65534, 65534)
    wish = place.wish("v1", owner="root")
    found = await observe(place.session, wish)
    with pytest.raises(InvalidInput, match="root does not take over"):
        await apply(place.session, wish, found)


async def test_an_owner_that_does_not_exist_is_named(place: Repository):
    wish = place.wish(owner="no-such-user")
    with pytest.raises(InvalidInput, match="user no-such-user"):
        await apply(place.session, wish, await observe(place.session, wish))


async def test_no_value_is_an_argument_of_a_command(place: Repository):
    await place.up(place.wish())
    assert not [line for line in place.session.lines if place.url in line or "v1" in line]


# --- what is somebody's own ---


async def refused(place: Repository, wish: GitCheckoutInputs, match: str) -> None:
    """Refused each time, and neither that nor a destroy afterwards changes anything."""
    picture = place.picture()
    before = await observe(place.session, wish)
    for _ in range(3):
        with pytest.raises(InvalidInput, match=match):
            await apply(place.session, wish, await observe(place.session, wish))
        assert place.picture() == picture
    await restore(place.session, wish, before)
    assert place.picture() == picture


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("path", ["b.txt", "folder", "folder/c.txt/more", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"])
async def test_an_untracked_file_that_the_new_revision_brings_too_is_never_overwritten(
    place: Repository, path: str, ignored: bool
):
    place.clone()
    (place.origin / "folder").mkdir()
    for name in ("b.txt", "folder/c.txt", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"):
        (place.origin / name).write_text("theirs")
    git(place.origin, "add", "--all")
    commit(place.origin, "three")
    git(place.origin, "tag", "v3")
    if ignored:
        (place.path / ".git/info/exclude").write_text(f"/{path.partition('/')[0]}\n")
    mine = place.path / path
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    await refused(place, place.wish("v3"), "has untracked files that 'v3' brings too")
    assert mine.read_text() == "mine"


async def test_nor_is_one_in_a_checkout_that_hearth_has_made(place: Repository):
    await place.up(place.wish("v2"))
    (place.origin / "b.txt").write_text("theirs")
    git(place.origin, "add", "--all")
    commit(place.origin, "three")
    git(place.origin, "tag", "v3")
    (place.path / "b.txt").write_text("mine")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="untracked files"):
            await apply(place.session, place.wish("v3"), await observe(place.session, place.wish("v3")))
    assert (place.path / "b.txt").read_text() == "mine"
    (place.path / "b.txt").unlink()
    await place.up(place.wish("v3"))


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
async def test_changes_that_git_was_told_not_to_look_at_are_seen_and_kept(place: Repository, flag: str):
    place.clone()
    git(place.path, "update-index", flag, "a.txt")
    (place.path / "a.txt").write_text("mine")
    found = await observe(place.session, place.wish("main"))
    assert found.revision == "main <changed: a.txt>"
    await refused(place, place.wish("v1"), "has local changes")
    assert (place.path / "a.txt").read_text() == "mine"


async def test_a_sparse_checkout_is_not_taken_for_a_changed_one(place: Repository):
    place.clone()
    git(place.path, "update-index", "--skip-worktree", "a.txt")
    (place.path / "a.txt").unlink()
    assert (await observe(place.session, place.wish("main"))).revision == "main"


@pytest.mark.parametrize("content", [b"", b"rubbish", b"DIRC\x00\x00\x00\x02\x00\x00\x00\x01"])
async def test_a_damaged_index_is_not_taken_for_as_wished(place: Repository, content: bytes):
    place.clone()
    (place.path / "a.txt").write_text("mine")
    (place.path / ".git/index").write_bytes(content)
    found = await observe(place.session, place.wish("main"))
    assert KIND.differences(place.wish("main"), found)
    if content:
        assert found.revision.startswith("<unreadable: ")
        assert KIND.unkeepable(found) == found.unreadable
    with pytest.raises(InvalidInput):
        await apply(place.session, place.wish("v1"), found)
    assert (place.path / "a.txt").read_text() == "mine"


async def test_a_damaged_index_in_a_checkout_of_hearths_own_is_repaired(place: Repository):
    wish = place.wish("v1")
    await place.up(wish)
    (place.path / "a.txt").write_text("drift")
    (place.path / ".git/index").write_bytes(b"rubbish")
    assert "unreadable" in (await observe(place.session, wish)).revision
    await place.up(wish)
    assert (place.path / "a.txt").read_text() == "one"


async def test_the_owners_own_configuration_counts_in_looking_as_in_making(
    place: Repository, monkeypatch: pytest.MonkeyPatch
):
    home = place.origin.parent / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[color]\n\tstatus = always\n")
    real = worker.environment_of
    monkeypatch.setattr(worker, "environment_of", lambda user, extra: {**real(user, extra), "HOME": str(home)})
    (place.origin / "a.txt").write_bytes(b"one\ntwo\n")
    git(place.origin, "commit", "-qam", "lines")
    git(place.origin, "tag", "v3")
    await place.up(place.wish("v3"))
    assert (place.path / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    await place.up(place.wish("v1"))


async def test_destroy_leaves_what_was_changed_since_and_says_how_to_go_on(place: Repository):
    place.clone()
    wish = place.wish("v1")
    before, _ = await place.up(wish)
    (place.path / "a.txt").write_text("mine, of today")
    await restore(place.session, wish, before)
    assert (place.path / "a.txt").read_text() == "mine, of today"
    assert "`git checkout main` there puts it back" in place.session.messages[-1]
    assert "hearth" not in (place.path / ".git/config").read_text()


async def test_a_checkout_that_was_cut_short_goes_on_although_its_files_look_like_somebodys(place: Repository):
    wish = place.wish("v1")
    await place.up(wish)
    (place.origin / "b.txt").write_text("theirs")
    git(place.origin, "add", "--all")
    third = commit(place.origin, "three")
    git(place.origin, "tag", "v3")
    # As a power cut leaves it: half a file that the index does not know yet, and the index locked.
    git(place.path, "fetch", "-q", "--no-tags", place.url, "+refs/tags/v3:refs/hearth/tags/v3")
    git(place.path, "config", "hearth.checkout", third)
    (place.path / "b.txt").write_text("the")
    (place.path / ".git/index.lock").touch()
    await place.up(place.wish("v3"))
    assert (place.path / "b.txt").read_text() == "theirs"


# --- depth, refspec, submodules ---


def history(place: Repository) -> int:
    return int(git(place.path, "rev-list", "--count", "HEAD"))


@pytest.mark.parametrize("revision", ["v2", "main", "commit"])
async def test_of_a_new_checkout_only_as_much_history_as_asked_for_is_fetched(place: Repository, revision: str):
    git(place.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    revision = {"commit": place.second}.get(revision, revision)
    _, after = await place.up(place.wish(revision, depth=1))
    assert after.commit == place.second
    assert history(place) == 1
    _, after = await place.up(place.wish("v1", depth=1))
    assert after.commit == place.first


async def test_a_commit_that_is_not_given_out_alone_is_fetched_with_its_history(place: Repository):
    git(place.origin, "config", "uploadpack.allowTipSHA1InWant", "false")
    _, after = await place.up(place.wish(place.first, depth=1))
    assert after.commit == place.first


async def test_without_depth_the_rest_of_the_history_is_fetched(place: Repository):
    await place.up(place.wish("v2", depth=1))
    commit(place.origin, "three")
    git(place.origin, "tag", "v3")
    await place.up(place.wish("v3"))
    assert history(place) == 3


async def test_the_history_of_a_clone_that_was_there_is_not_cut_off(place: Repository):
    place.clone()
    await place.up(place.wish("v1", depth=1))
    git(place.path, "checkout", "-q", "v2")
    assert history(place) == 2


async def test_a_ref_beside_branches_and_tags_is_fetched_where_asked(place: Repository):
    git(place.origin, "checkout", "-q", "--detach")
    third = commit(place.origin, "three")
    git(place.origin, "update-ref", "refs/pull/7/head", third)
    git(place.origin, "checkout", "-q", "main")
    with pytest.raises(NotConverged, match="is no branch"):
        await apply(place.session, place.wish(third), await observe(place.session, place.wish(third)))
    for wish in (place.wish(third, refspec="refs/pull/7/head"), place.wish("refs/pull/7/head", refspec="refs/pull/*")):
        _, after = await place.up(wish)
        assert after.commit == third


@pytest.fixture
def with_submodule(place: Repository) -> Repository:
    library = place.origin.parent / "library"
    library.mkdir()
    git(library, "init", "-q")
    commit(library, "of the library")
    git(place.origin, "-c", "protocol.file.allow=always", "submodule", "add", "-q", f"file://{library}", "library")
    git(place.origin, "commit", "-qam", "with a library")
    git(place.origin, "tag", "v3")
    return place


async def test_submodules_are_checked_out_looked_at_and_put_back(with_submodule: Repository):
    place = with_submodule
    place.clone()
    git(place.path, "checkout", "-q", "v1")
    picture = place.picture()
    wish = place.wish("v3", submodules=True)
    before, after = await place.up(wish)
    file = place.path / "library/a.txt"
    assert (file.read_text(), after.submodules) == ("of the library", True)
    file.write_text("drift")
    assert KIND.differences(wish, await observe(place.session, wish))
    await place.up(wish)
    git(place.path, "submodule", "deinit", "--force", "library")
    assert list(KIND.differences(wish, await observe(place.session, wish))) == ["submodules"]
    await place.up(wish)
    await restore(place.session, wish, before)
    assert place.picture() == picture


async def test_without_a_word_about_them_submodules_are_left_alone(with_submodule: Repository):
    _, after = await with_submodule.up(with_submodule.wish("v3"))
    assert after.submodules is None
    assert list((with_submodule.path / "library").iterdir()) == []


@pytest.mark.parametrize("detached", [False, True])
async def test_an_import_finds_the_branch_or_tag_and_the_address(place: Repository, detached: bool):
    place.clone()
    if detached:
        git(place.path, "checkout", "-q", "--detach", place.first)
    assert KIND.parse is not None
    assert KIND.identify(place.wish()) == str(place.path)[1:]
    inputs = GitCheckoutInputs.model_validate({"host": "here", **KIND.parse(str(place.path)[1:])})
    found = await observe(place.session, inputs)
    assert (found.revision, found.url, found.owner) == ("v1" if detached else "main", place.url, ME)
