"""The kind Block: what it does to a text, and to a machine in memory."""

import pytest
from pydantic import ValidationError

from providers.errors import InvalidInput
from providers.kinds.block.kind import KIND, BlockInputs, apply, observe, restore
from providers.kinds.block.text import with_block, without_block
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_session import Call, FakeSession


def machine() -> FakeSession:
    """Make a machine whose service manager reads its files anew where it is asked to."""
    return FakeSession().on("sh")


PATH = "/etc/fstab"
WISH = BlockInputs(host="box", path=PATH, name="share", content="//nas/s /srv/s cifs ro 0 0\n")
BLOCK = "# BEGIN hearth share\n//nas/s /srv/s cifs ro 0 0\n# END hearth share\n"


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n", "a\n\n", "a\r\nb\r\n", "# note\n\n\n", "\ufeffa"])
def test_taking_a_block_out_again_gives_the_same_text(text: str):
    once = with_block(text, "share", "x\ny\n", "#")
    assert once != text
    assert without_block(once, "share") == text


@pytest.mark.parametrize("text", ["a", "a\n", ""])
@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_two_blocks_come_out_in_any_order(text: str, order: tuple[str, str]):
    both = with_block(with_block(text, "one", "1", "#"), "two", "2", ";")
    assert without_block(without_block(both, order[0]), order[1]) == text


def test_a_block_is_replaced_where_it_stands():
    text = f"first\n{BLOCK}last\n"
    assert with_block(text, "share", "new", ";") == "first\n; BEGIN hearth share\nnew\n; END hearth share\nlast\n"


def test_a_block_of_another_name_is_not_touched():
    assert with_block(BLOCK, "other", "x", "#").startswith(BLOCK)
    assert without_block(BLOCK, "other") == BLOCK
    assert without_block(BLOCK, "shar") == BLOCK


def test_an_empty_content_is_two_markers():
    assert with_block("a\n", "n", "", "#") == "a\n# BEGIN hearth n\n# END hearth n\n"


async def test_a_new_block_is_appended_and_removed_with_the_mode_and_owner_kept():
    session, path = machine(), "/srv/app/hosts"
    wish = WISH.model_copy(update={"path": path})
    session.put(path, "UUID=1 / ext4\n", mode="0664", owner="ann", group="users")
    original = session.files[path]
    before = await observe(session, wish)
    assert not before.present
    await apply(session, wish, before)
    assert session.files[path].content == b"UUID=1 / ext4\n" + BLOCK.encode()
    assert session.files[path].mode == "0664"
    assert KIND.differences(wish, await observe(session, wish)) == {}
    await restore(session, wish, before)
    assert session.files[path] == original


async def test_destroy_keeps_what_others_wrote_in_the_meantime():
    session = machine()
    session.put(PATH, "a\n")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put(PATH, b"changed\n" + (session.files[PATH].content or b"")[2:] + b"later\n")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"changed\nlater\n"


async def test_bytes_that_are_not_text_are_kept():
    session = machine()
    session.put(PATH, b"\xff\xfe caf\xe9\nend")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    assert (session.files[PATH].content or b"").startswith(b"\xff\xfe caf\xe9\nend\n# BEGIN")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"\xff\xfe caf\xe9\nend"


async def test_a_file_made_by_two_blocks_goes_with_the_last_of_them():
    session = machine()
    session.files["/etc"] = Stat("directory", "0755", "root", "root", 0)
    other = WISH.model_copy(update={"name": "other"})
    befores = []
    for wish in (WISH, other):
        befores.append(await observe(session, wish))
        await apply(session, wish, befores[-1])
    await restore(session, WISH, befores[0])
    assert PATH in session.files
    await restore(session, other, befores[1])
    assert [path for path, found in session.files.items() if found.type == "file"] == []


async def test_an_empty_file_that_was_there_stays():
    session = machine()
    session.put(PATH, "")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files[PATH].content == b""


async def test_a_file_that_somebody_wrote_into_stays():
    session = machine()
    session.files["/etc"] = Stat("directory", "0755", "root", "root", 0)
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put(PATH, BLOCK + "mine\n")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"mine\n"


async def test_a_block_that_was_there_before_gets_its_old_lines_back_in_its_place():
    session = machine()
    original = "a\n; BEGIN hearth share\nold\n; END hearth share\nb\n"
    session.put(PATH, original)
    before = await observe(session, WISH)
    wish = WISH.model_copy(update={"comment": "#"})
    assert KIND.differences(wish, before) == {
        "content": ("//nas/s /srv/s cifs ro 0 0\n", "old\n"),
        "comment": ("#", ";"),
    }
    await apply(session, wish, before)
    assert session.files[PATH].content == f"a\n{BLOCK}b\n".encode()
    await restore(session, wish, before)
    assert session.files[PATH].content == original.encode()


async def test_a_block_that_is_right_already_is_adopted():
    session = machine()
    session.put(PATH, f"a\n{BLOCK}")
    wish = WISH.model_copy(update={"content": WISH.content.rstrip("\n")})
    before = await observe(session, wish)
    assert before.present
    assert KIND.differences(wish, before) == {}
    await restore(session, wish, before)
    assert session.files[PATH].content == f"a\n{BLOCK}".encode()


@pytest.mark.parametrize("removed", [False, True])
async def test_lines_written_by_hand_are_marked_rather_than_doubled_and_left_on_destroy(removed: bool):
    session = machine()
    original = f"a\n{WISH.content}b\n"
    session.put(PATH, original)
    before = await observe(session, WISH)
    assert not before.present
    await apply(session, WISH, before)
    assert session.files[PATH].content == f"a\n{BLOCK}b\n".encode()
    changed = WISH.model_copy(update={"content": "other\n"})
    await apply(session, changed, await observe(session, changed))
    if removed:
        session.put(PATH, "a\nb\n")
        original = f"a\nb\n{WISH.content}"
    await restore(session, changed, before)
    assert session.files[PATH].content == original.encode()


LINE = WISH.content.rstrip("\n")
DAMAGED = {
    "the END has lost its newline, and `echo` put something behind it": (
        f"a\n{BLOCK}".rstrip("\n") + "UUID=2 /data ext4\n",
        "a\nUUID=2 /data ext4\n",
    ),
    "with a blank": (f"a\n{BLOCK}".rstrip("\n") + " more\nlast", "a\n more\nlast"),
    "something stands before the BEGIN": (f"a{BLOCK}b\n", "a\nb\n"),
    "the END is gone": (f"a\n# BEGIN hearth share\n{LINE}\nb\n", "a\nb\n"),
    "the END is gone, and another block follows": (
        f"# BEGIN hearth share\n{LINE}\n# BEGIN hearth other\nx\n# END hearth other\n",
        "# BEGIN hearth other\nx\n# END hearth other\n",
    ),
    "the BEGIN is gone": (f"a\n{LINE}\n# END hearth share\nb", "a\nb"),
    "both are there, the wrong way round": ("# END hearth share\na\n# BEGIN hearth share\n", "a\n"),
    "it is there twice": (f"a\n{BLOCK}b\n{BLOCK}c\n", "a\nb\nc\n"),
    "another's block stands inside": (
        f"# BEGIN hearth share\n{LINE}\n# BEGIN hearth other\ny\n# END hearth other\n# END hearth share\n",
        "# BEGIN hearth other\ny\n# END hearth other\n",
    ),
    "lines that are nobody's are kept": ("# BEGIN hearth share\nmine\n", "mine\n"),
}


@pytest.mark.parametrize(("text", "rest"), DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_block_is_drift_that_is_repaired_and_restored_with_the_lines_of_others_kept(
    text: str, rest: str
):
    session = machine()
    session.put(PATH, text)
    found = await observe(session, WISH)
    assert found.present
    assert "content" in KIND.differences(WISH, found)
    before = KIND.facts(present=False, existed=True, file=True)
    await restore(session, WISH, before)
    assert session.files[PATH].content == rest.encode()
    session.put(PATH, text)
    await apply(session, WISH, found)
    now = (session.files[PATH].content or b"").decode()
    assert KIND.differences(WISH, await observe(session, WISH)) == {}
    assert without_block(now, "share") == rest


async def test_what_is_damaged_before_the_first_up_could_not_be_put_back():
    session = machine()
    session.put(PATH, "# BEGIN hearth share\nx\n")
    assert "damaged" in KIND.unkeepable(await observe(session, WISH))


async def test_a_marker_of_a_longer_name_is_no_damage():
    session = machine()
    session.put(PATH, "# BEGIN hearth share2\nx\n# END hearth share2\n")
    assert not (await observe(session, WISH)).present


async def test_an_empty_file_that_was_there_stays_also_after_two_blocks():
    session = machine()
    session.put(PATH, "")
    wishes = [WISH, WISH.model_copy(update={"name": "other"})]
    befores = []
    for wish in wishes:
        befores.append(await observe(session, wish))
        await apply(session, wish, befores[-1])
    for wish, before in zip(wishes, befores, strict=True):
        await restore(session, wish, before)
    assert session.files[PATH].content == b""


# --- where it goes ---


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"before": "two"}, "one\n{}two\none\n"),
        ({"after": "one"}, "one\ntwo\none\n{}"),
        ({"after": "two"}, "one\ntwo\n{}one\n"),
        ({"before": " two "}, "one\n{}two\none\n"),
    ],
)
async def test_a_new_block_goes_next_to_a_line(place: dict[str, str], expected: str):
    session = machine()
    session.put(PATH, "one\ntwo\none\n")
    wish = WISH.model_copy(update=place)
    before = await observe(session, wish)
    await apply(session, wish, before)
    assert session.files[PATH].content == expected.format(BLOCK).encode()
    assert KIND.differences(wish, await observe(session, wish)) == {}
    await restore(session, wish, before)
    assert session.files[PATH].content == b"one\ntwo\none\n"


async def test_a_block_on_the_wrong_side_of_the_line_is_drift_and_moved_and_back_again():
    session = machine()
    session.put(PATH, f"one\n{BLOCK}two\n")
    wish = WISH.model_copy(update={"after": "two"})
    found = await observe(session, wish)
    assert list(KIND.differences(wish, found)) == ["after"]
    await apply(session, wish, found)
    assert session.files[PATH].content == f"one\ntwo\n{BLOCK}".encode()
    await restore(session, wish, found)
    assert session.files[PATH].content == f"one\n{BLOCK}two\n".encode()


async def test_a_line_that_is_not_there_is_refused_and_named():
    session = machine()
    session.put(PATH, "one\n")
    wish = WISH.model_copy(update={"before": "COMMIT"})
    with pytest.raises(InvalidInput, match="has no line 'COMMIT'"):
        await apply(session, wish, await observe(session, wish))
    assert session.files[PATH].content == b"one\n"


async def test_a_line_that_has_gone_is_no_reason_to_move_a_block():
    session = machine()
    session.put(PATH, BLOCK)
    wish = WISH.model_copy(update={"before": "COMMIT"})
    assert KIND.differences(wish, await observe(session, wish)) == {}


async def test_comments_with_an_end_mark_a_block():
    session = machine()
    session.put(PATH, "<a>\n</a>\n")
    wish = WISH.model_copy(update={"comment": "<!--", "comment_end": "-->", "content": "<b/>", "after": "<a>"})
    before = await observe(session, wish)
    await apply(session, wish, before)
    text = "<a>\n<!-- BEGIN hearth share -->\n<b/>\n<!-- END hearth share -->\n</a>\n"
    assert session.files[PATH].content == text.encode()
    assert KIND.differences(wish, await observe(session, wish)) == {}
    await restore(session, wish, before)
    assert session.files[PATH].content == b"<a>\n</a>\n"


# --- what must accept it ---


async def test_a_text_that_is_not_accepted_changes_nothing_and_the_command_sees_all_of_it():
    session = machine()
    session.put(PATH, "a\n")
    wish = WISH.model_copy(update={"validate": ["check", "-f", "{}"]})
    seen: list[bytes] = []

    def check(call: Call) -> int:
        seen.append(session.files[call.argv[2]].content or b"")
        return 1

    session.on("check -f /run/hearth/new-", check)
    with pytest.raises(InvalidInput, match="is not accepted by `check -f"):
        await apply(session, wish, await observe(session, wish))
    assert seen == [b"a\n" + BLOCK.encode()]
    assert session.files[PATH].content == b"a\n"
    assert not [path for path in session.files if path.startswith("/run/hearth/")]
    session.on("check", 0)
    await apply(session, wish, await observe(session, wish))
    assert session.files[PATH].content == b"a\n" + BLOCK.encode()


async def test_a_link_is_refused_and_left_alone():
    session = machine()
    session.files[PATH] = link = Stat("symlink", "0777", "root", "root", 4, b"/run/fstab")
    before = await observe(session, WISH)
    with pytest.raises(InvalidInput, match="is a link"):
        await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files[PATH] == link


def test_blocks_of_one_file_share_a_lock():
    other = WISH.model_copy(update={"name": "other"})
    assert KIND.locks(WISH) == KIND.locks(other) == ("file:/etc/fstab",)


def test_an_id_names_the_file_and_the_block():
    assert KIND.identify(WISH) == "etc/fstab#share"
    assert KIND.parse is not None
    assert KIND.parse("etc/a#b#share") == {"path": "/etc/a#b", "name": "share"}
    with pytest.raises(InvalidInput, match="names no block"):
        KIND.parse("etc/fstab")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "two words", "must be up to 64 letters"),
        ("name", "a#b", "must be up to 64 letters"),
        ("content", "x\n; END hearth other\n", "must not hold a line"),
        ("comment", "# ", "what begins a comment"),
        ("comment", "", "what begins a comment"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        BlockInputs.model_validate({**WISH.model_dump(), field: value})
