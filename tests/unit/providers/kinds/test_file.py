"""The kind File against a machine in memory."""

import pytest
from pydantic import ValidationError

from providers.errors import InvalidInput, OperationRefused
from providers.kinds.file import KIND, FileFacts, FileInputs, apply, observe, restore
from providers.machine.session import Completed, Stat
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


async def test_a_file_that_comes_back_was_written_when_it_was_also_where_its_bytes_were_right_all_along():
    session = FakeSession()
    for old in ("old\n", WISH.content):
        session.files["/etc/motd"] = Stat("file", "0640", "root", "adm", 4, old.encode(), modified=1_234_567_890)
        before = await observe(session, WISH)
        if old == WISH.content:
            session.put("/etc/motd", "drifted\n", mode="0640", group="adm")
        await apply(session, WISH, await observe(session, WISH))
        await restore(session, WISH, before)
        assert (session.files["/etc/motd"].content, session.files["/etc/motd"].modified) == (
            old.encode(),
            1_234_567_890,
        )


async def test_what_an_older_version_has_written_down_says_no_time():
    session = FakeSession()
    session.files["/etc/motd"] = Stat("file", "0600", "ann", "users", 4, b"old\n", modified=1_234_567_890)
    before = (await observe(session, WISH)).model_copy(update={"modified": None})
    there = session.files["/etc/motd"]
    await restore(session, WISH, before)
    assert session.files["/etc/motd"] is there, "nothing is written where all is as it was"


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
        ("owner", "-x", "must be a user name"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        FileInputs.model_validate({**WISH.model_dump(), field: value})


async def test_what_is_not_asked_for_of_a_file_that_was_there_stays_as_it_is():
    session = FakeSession()
    session.put("/etc/motd", "old", mode="0600", owner="ann", group="users")
    wish = FileInputs(host="box", path="/etc/motd", content="hello\n")
    await apply(session, wish, await observe(session, wish))
    now = session.files["/etc/motd"]
    assert (now.content, now.mode, now.owner, now.group) == (b"hello\n", "0600", "ann", "users")


async def test_a_file_that_is_too_large_is_drift_and_no_error_and_could_not_be_put_back():
    session = FakeSession()
    session.files["/etc/motd"] = Stat("file", "0640", "root", "adm", 5_000_000, unreadable="5000000 bytes, and more")
    found = await observe(session, WISH)
    assert KIND.differences(WISH, found) == {"content": ("hello\n", "<5000000 bytes, and more>")}
    assert KIND.unkeepable(found) == "5000000 bytes, and more"
    await apply(session, WISH, found)
    assert KIND.differences(WISH, await observe(session, WISH)) == {}


async def test_a_link_whose_target_is_no_text_comes_back_byte_for_byte():
    session = FakeSession()
    session.files["/etc/motd"] = Stat("symlink", "0777", "root", "root", 4, b"/t\xe9x")
    before = FileFacts.model_validate_json((await observe(session, WISH)).model_dump_json())
    assert before.target == "/t\\xe9x"
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files["/etc/motd"].content == b"/t\xe9x"


async def test_destroy_writes_nothing_where_all_is_as_it_was():
    session = FakeSession()
    session.put("/etc/motd", "old")
    before = await observe(session, WISH)
    kept = session.files["/etc/motd"]
    await restore(session, WISH, before)
    assert session.files["/etc/motd"] is kept


async def test_where_the_folder_has_gone_what_was_there_is_put_back_with_a_word_about_it():
    session = FakeSession()
    session.put("/srv/app/conf", "theirs")
    session.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    wish = WISH.model_copy(update={"path": "/srv/app/conf"})
    before = await observe(session, wish)
    del session.files["/srv/app/conf"]
    await restore(session, wish, before)
    assert session.files["/srv/app/conf"].content == b"theirs"
    assert "/srv/app on box was removed by somebody" in session.messages[0]


async def test_a_write_that_is_refused_leaves_nothing_of_a_creation(monkeypatch: pytest.MonkeyPatch):
    session = FakeSession()
    session.put("/etc/motd", "old")

    async def refused(*_args: object, **_more: object) -> None:
        raise OperationRefused("write /etc/motd on box failed: busy: it is a mount", remedy="set in_place")

    monkeypatch.setattr(session, "write", refused)
    with pytest.raises(InvalidInput, match="it is a mount") as caught:
        await apply(session, WISH, await observe(session, WISH))
    assert caught.value.remedy == "set in_place"


async def test_a_text_that_is_not_accepted_never_gets_into_the_file():
    session = FakeSession()
    session.put("/etc/motd", "old")
    wish = WISH.model_copy(update={"validate": ["visudo", "-cf", "{}"]})
    session.on("visudo -cf /run/hearth/new-", Completed(1, "", "syntax error near line 1"))
    with pytest.raises(InvalidInput, match="is not accepted by") as caught:
        await apply(session, wish, await observe(session, wish))
    assert "syntax error" in caught.value.detail
    assert session.files["/etc/motd"].content == b"old"
    session.on("visudo", 127)
    with pytest.raises(InvalidInput, match="there is no visudo"):
        await apply(session, wish, await observe(session, wish))
    session.on("visudo", 0)
    await apply(session, wish, await observe(session, wish))
    assert session.files["/etc/motd"].content == b"hello\n"


@pytest.mark.parametrize("command", [[], [""], ["visudo"], ["{}"], ["visudo", "-c"]])
def test_a_command_that_would_see_nothing_of_the_text_is_rejected(command: list[str]):
    with pytest.raises(ValidationError, match="where the path of the new text goes"):
        FileInputs.model_validate({**WISH.model_dump(), "validate": command})


async def test_what_is_not_as_wished_is_explained_by_what_is_mounted_there():
    session = FakeSession()
    session.on("findmnt", "vfat   /boot/efi\n")
    session.put("/etc/motd", "hello\n", mode="0755")
    assert KIND.explain is not None
    reason = await KIND.explain(session, WISH, await observe(session, WISH))
    assert reason == "the file system there (vfat, mounted at /boot/efi) may not keep owners and modes"
