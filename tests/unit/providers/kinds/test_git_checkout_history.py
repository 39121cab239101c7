"""The kind GitCheckout with depth, refspec and submodules."""

import pytest

from providers.errors import NotConverged
from providers.kinds.git_checkout.kind import (
    KIND,
    GitCheckoutInputs,
    apply,
    observe,
    restore,
)
from tests.unit.providers.kinds.git_repository import Repository, commit, git, place, template
from tests.unit.providers.kinds.local_session import ME

__all__ = ["place", "template"]


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
