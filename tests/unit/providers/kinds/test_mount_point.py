"""The kind MountPoint, against a machine in memory."""

from __future__ import annotations

import pytest

from providers.errors import InvalidInput
from providers.kinds.mount_point import KIND, MountPointFacts, MountPointInputs, apply, observe, restore
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_session import FakeSession

PATH = "/mnt/PersonalAssistantHub"
WISH = MountPointInputs(host="box", path=PATH, owner="secondbrain", group="secondbrain")
NOTHING_MOUNTED = 1  # exit status of findmnt


def machine(mounted: bool = False) -> FakeSession:
    session = FakeSession().on("findmnt", "" if mounted else NOTHING_MOUNTED)
    session.files["/mnt"] = Stat("directory", "0755", "root", "root", 0)
    return session


async def test_a_mount_point_is_made_with_its_owner():
    session = machine()
    before = await observe(session, WISH)
    assert not before.present
    await apply(session, WISH, before)
    facts = await observe(session, WISH)
    assert (facts.owner, facts.group, facts.mode) == ("secondbrain", "secondbrain", "0755")
    assert KIND.differences(WISH, facts) == {}


async def test_what_is_mounted_there_is_not_taken_for_drift():
    session = machine(mounted=True)
    session.files[PATH] = Stat("directory", "0777", "nobody", "nogroup", 0)
    assert KIND.differences(WISH, await observe(session, WISH)) == {}


async def test_another_owner_is_drift_where_nothing_is_mounted():
    session = machine()
    session.files[PATH] = Stat("directory", "0755", "root", "root", 0)
    assert set(KIND.differences(WISH, await observe(session, WISH))) == {"owner", "group"}


async def test_a_file_in_its_place_is_refused():
    session = machine()
    session.put(PATH, "x")
    with pytest.raises(InvalidInput, match="only a directory"):
        await apply(session, WISH, await observe(session, WISH))


async def test_destroy_removes_the_directory_it_made():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert PATH not in session.files


async def test_destroy_gives_a_directory_its_owner_back():
    session = machine()
    session.files[PATH] = Stat("directory", "0700", "root", "root", 0)
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files[PATH] == Stat("directory", "0700", "root", "root", 0)


async def test_destroy_leaves_a_directory_with_files_in_it_and_says_so():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put(f"{PATH}/note", "x")
    await restore(session, WISH, before)
    assert PATH in session.files
    assert session.messages == [f"{PATH} on box is not empty: it was left alone"]


async def test_destroy_touches_nothing_beneath_a_mount():
    session = machine(mounted=True)
    session.files[PATH] = Stat("directory", "0777", "nobody", "nogroup", 0)
    await restore(session, WISH, MountPointFacts(present=False))
    assert session.files[PATH].owner == "nobody"
    assert "has something mounted on it" in session.messages[0]


@pytest.mark.parametrize("mounted", [True, False])
async def test_a_link_in_its_place_is_no_mount_point_even_where_it_points_to_one(mounted: bool):
    session = machine(mounted)
    await session.symlink(PATH, "/srv/other")
    facts = await observe(session, WISH)
    assert not facts.present
    with pytest.raises(InvalidInput, match="is a link, and only a directory can be a mount point"):
        await apply(session, WISH, facts)
    await restore(session, WISH, MountPointFacts(present=False))
    assert session.files[PATH].type == "symlink"
    assert "is a link by now: it was left alone" in session.messages[0]


async def test_a_directory_that_was_there_keeps_what_is_not_asked_for():
    session = machine()
    session.files[PATH] = Stat("directory", "0700", "ann", "users", 0)
    wish = MountPointInputs(host="box", path=PATH, owner="bob")
    before = await observe(session, wish)
    await apply(session, KIND.with_defaults(wish, KIND.made(before)), before)
    assert session.files[PATH] == Stat("directory", "0700", "bob", "users", 0)
    await session.set_attributes(PATH, mode="0711")
    assert KIND.differences(wish, await observe(session, wish)) == {}
    await restore(session, wish, before)
    assert session.files[PATH] == Stat("directory", "0711", "ann", "users", 0)


async def test_a_missing_parent_is_refused_before_anything_is_done():
    session = machine()
    del session.files["/mnt"]
    with pytest.raises(InvalidInput, match="/mnt is not there"):
        await apply(session, WISH, await observe(session, WISH))
