"""The kind File against a machine in memory."""

import pytest
from pydantic import ValidationError

from providers.errors import InvalidInput
from providers.kinds.file import KIND, FileInputs, apply, observe, restore
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_session import FakeSession

WISH = FileInputs(host="box", path="/etc/motd", content="hello\n", mode="0640", owner="root", group="adm")


async def test_a_missing_file_is_made_and_removed_again():
    session = FakeSession()
    before = await observe(session, WISH)
    assert not before.present
    await apply(session, WISH, before)
    assert KIND.differences(WISH, await observe(session, WISH)) == {}
    await restore(session, WISH, before)
    assert session.files == {}


async def test_a_file_that_was_there_comes_back_with_its_bytes_and_attributes():
    session = FakeSession()
    session.put("/etc/motd", b"\xff\x00old", mode="0600", owner="ann", group="users")
    original = session.files["/etc/motd"]
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files["/etc/motd"] == original


async def test_a_link_that_was_there_comes_back():
    session = FakeSession()
    session.files["/etc/motd"] = Stat("symlink", "0777", "root", "root", 9, b"/run/motd")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    assert session.files["/etc/motd"].type == "file"
    await restore(session, WISH, before)
    assert session.files["/etc/motd"].content == b"/run/motd"


async def test_a_changed_mode_is_the_only_difference_named():
    session = FakeSession()
    session.put("/etc/motd", "hello\n", mode="0666", group="adm")
    assert KIND.differences(WISH, await observe(session, WISH)) == {"mode": ("0640", "0666")}


async def test_a_directory_in_the_way_is_refused():
    session = FakeSession()
    session.files["/etc/motd"] = Stat("directory", "0755", "root", "root", 0)
    with pytest.raises(InvalidInput, match="is a directory"):
        await apply(session, WISH, await observe(session, WISH))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("path", "etc/motd", "absolute path"),
        ("path", "/etc/../motd", "plain path"),
        ("mode", "rw-r--r--", "octal mode"),
        ("owner", "-x", "user or group name"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        FileInputs.model_validate({**WISH.model_dump(), field: value})
