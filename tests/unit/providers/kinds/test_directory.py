"""The kind Directory against a machine in memory."""

import pytest

from providers.errors import InvalidInput
from providers.kinds.directory import KIND, DirectoryInputs, apply, observe, restore
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_session import FakeSession

WISH = DirectoryInputs(host="box", path="/srv/data", mode="0750", owner="ann", group="users")


def machine(**attributes: str) -> FakeSession:
    session = FakeSession()
    session.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    if attributes:
        session.files["/srv/data"] = Stat("directory", **attributes, size=0)
    return session


async def test_a_missing_directory_is_made_and_removed_again():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    assert KIND.differences(WISH, await observe(session, WISH)) == {}
    await restore(session, WISH, before)
    assert list(session.files) == ["/srv"]


async def test_a_directory_that_was_there_gets_its_attributes_back():
    session = machine(mode="0700", owner="root", group="root")
    before = await observe(session, WISH)
    assert set(KIND.differences(WISH, before)) == {"mode", "owner", "group"}
    await apply(session, WISH, before)
    assert session.files["/srv/data"] == Stat("directory", "0750", "ann", "users", 0)
    await restore(session, WISH, before)
    assert session.files["/srv/data"] == Stat("directory", "0700", "root", "root", 0)


async def test_a_directory_that_was_there_and_has_gone_is_made_again_on_destroy():
    session = machine(mode="0700", owner="root", group="root")
    before = await observe(session, WISH)
    await session.remove("/srv/data")
    await restore(session, WISH, before)
    assert session.files["/srv/data"] == Stat("directory", "0700", "root", "root", 0)


async def test_without_purge_a_directory_with_content_stays_and_a_warning_names_it():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put("/srv/data/letter", "dear")
    await restore(session, WISH, before)
    assert "/srv/data/letter" in session.files
    assert any("not empty (letter)" in message for message in session.messages)


async def test_names_that_are_no_utf_8_are_shown_and_do_not_keep_destroy_from_its_end():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put("/srv/data/caf\udce9", "dear")
    await restore(session, WISH, before)
    assert any(r"not empty (caf\xe9)" in message for message in session.messages)
    await restore(session, WISH.model_copy(update={"purge": True}), before)
    assert not [path for path in session.files if path.startswith("/srv/data")]


async def test_with_purge_a_directory_goes_with_its_content():
    session = machine()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put("/srv/data/letter", "dear")
    await restore(session, WISH.model_copy(update={"purge": True}), before)
    assert list(session.files) == ["/srv"]


async def test_purge_never_empties_a_directory_that_was_there_before():
    session = machine(mode="0750", owner="ann", group="users")
    session.put("/srv/data/letter", "dear")
    wish = WISH.model_copy(update={"purge": True})
    before = await observe(session, wish)
    assert KIND.differences(wish, before) == {}
    await restore(session, wish, before)
    assert "/srv/data/letter" in session.files


async def test_a_missing_parent_is_named_with_the_remedy():
    session = FakeSession()
    with pytest.raises(InvalidInput, match="/srv is not there") as caught:
        await apply(session, WISH, await observe(session, WISH))
    assert "add a Directory for /srv" in str(caught.value)


async def test_a_file_in_the_way_is_refused_and_kept():
    session = machine()
    session.put("/srv/data", "a file")
    before = await observe(session, WISH)
    assert KIND.differences(WISH, before)["mode"] == ("0750", "<a file>")
    with pytest.raises(InvalidInput, match="is a file"):
        await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files["/srv/data"].content == b"a file"


async def test_destroy_leaves_a_file_that_took_the_place_of_the_directory():
    session = machine()
    before = await observe(session, WISH)
    session.put("/srv/data", "a file")
    await restore(session, WISH, before)
    assert "/srv/data" in session.files
    assert session.messages
