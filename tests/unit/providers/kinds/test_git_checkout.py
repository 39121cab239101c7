"""The kind GitCheckout with a real git in folders of the test."""

import os

import pytest

from providers.errors import CommandFailed, InvalidInput, NotConverged
from providers.kinds.git_checkout.kind import (
    KIND,
    apply,
    observe,
    restore,
)
from tests.unit.providers.kinds.git_repository import Repository, commit, git, place, template

__all__ = ["place", "template"]


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
