"""The kind GitCheckout where somebody's own work is in the way: nothing of it is lost."""

import pytest

from providers.errors import InvalidInput
from providers.kinds.git_checkout.kind import (
    KIND,
    GitCheckoutInputs,
    apply,
    observe,
    restore,
)
from providers.machine import worker_run
from tests.unit.providers.kinds.git_repository import Repository, commit, git, place, template

__all__ = ["place", "template"]


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
    real = worker_run.environment_of
    monkeypatch.setattr(worker_run, "environment_of", lambda user, extra: {**real(user, extra), "HOME": str(home)})
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


async def test_a_checkout_in_which_another_git_is_at_work_is_left_to_it(place: Repository):
    place.clone()
    lock = place.path / ".git/index.lock"
    lock.write_text("")
    for _ in range(2):
        await refused(place, place.wish("v1"), "another git is at work in the checkout")
        assert lock.exists()
    lock.unlink()
    wish = place.wish("v1")
    before, _ = await place.up(wish)
    await KIND.restore(place.session, wish, before)
    assert not (place.path / ".git/refs/hearth").exists(), "nothing of Hearth's is left in it, no empty folder either"
