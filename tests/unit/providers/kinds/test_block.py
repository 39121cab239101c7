"""The kind Block: what it does to a text, and to a machine in memory."""

import pytest
from pydantic import ValidationError

from providers.errors import InvalidInput
from providers.kinds.block import KIND, BlockInputs, apply, observe, restore, with_block, without_block
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_session import FakeSession

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
    session = FakeSession()
    session.put(PATH, "UUID=1 / ext4\n", mode="0664", owner="ann", group="users")
    original = session.files[PATH]
    before = await observe(session, WISH)
    assert not before.present
    await apply(session, WISH, before)
    assert session.files[PATH].content == b"UUID=1 / ext4\n" + BLOCK.encode()
    assert session.files[PATH].mode == "0664"
    assert KIND.differences(WISH, await observe(session, WISH)) == {}
    await restore(session, WISH, before)
    assert session.files[PATH] == original


async def test_destroy_keeps_what_others_wrote_in_the_meantime():
    session = FakeSession()
    session.put(PATH, "a\n")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put(PATH, b"changed\n" + (session.files[PATH].content or b"")[2:] + b"later\n")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"changed\nlater\n"


async def test_bytes_that_are_not_text_are_kept():
    session = FakeSession()
    session.put(PATH, b"\xff\xfe caf\xe9\nend")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    assert (session.files[PATH].content or b"").startswith(b"\xff\xfe caf\xe9\nend\n# BEGIN")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"\xff\xfe caf\xe9\nend"


async def test_a_file_made_by_two_blocks_goes_with_the_last_of_them():
    session = FakeSession()
    other = WISH.model_copy(update={"name": "other"})
    befores = []
    for wish in (WISH, other):
        befores.append(await observe(session, wish))
        await apply(session, wish, befores[-1])
    await restore(session, WISH, befores[0])
    assert PATH in session.files
    await restore(session, other, befores[1])
    assert session.files == {}


async def test_an_empty_file_that_was_there_stays():
    session = FakeSession()
    session.put(PATH, "")
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files[PATH].content == b""


async def test_a_file_that_somebody_wrote_into_stays():
    session = FakeSession()
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    session.put(PATH, BLOCK + "mine\n")
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"mine\n"


async def test_a_block_that_was_there_before_gets_its_old_lines_back_in_its_place():
    session = FakeSession()
    original = "a\n; BEGIN hearth share\nold\n; END hearth share\nb\n"
    session.put(PATH, original)
    before = await observe(session, WISH)
    assert KIND.differences(WISH, before) == {
        "content": ("//nas/s /srv/s cifs ro 0 0\n", "old\n"),
        "comment": ("#", ";"),
    }
    await apply(session, WISH, before)
    assert session.files[PATH].content == f"a\n{BLOCK}b\n".encode()
    await restore(session, WISH, before)
    assert session.files[PATH].content == original.encode()


async def test_a_block_that_is_right_already_is_adopted():
    session = FakeSession()
    session.put(PATH, f"a\n{BLOCK}")
    wish = WISH.model_copy(update={"content": WISH.content.rstrip("\n")})
    before = await observe(session, wish)
    assert before.present
    assert KIND.differences(wish, before) == {}
    await restore(session, wish, before)
    assert session.files[PATH].content == f"a\n{BLOCK}".encode()


@pytest.mark.parametrize("removed", [False, True])
async def test_lines_written_by_hand_are_marked_rather_than_doubled_and_left_on_destroy(removed: bool):
    session = FakeSession()
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


@pytest.mark.parametrize(
    "text",
    [
        "# BEGIN hearth share\nx\n",
        "x\n# END hearth share\n",
        "# END hearth share\n# BEGIN hearth share\n",
        BLOCK + BLOCK,
        "# BEGIN hearth share\n# BEGIN hearth other\n# END hearth other\n# END hearth share\n",
    ],
)
async def test_a_damaged_block_is_an_error_and_nothing_is_touched(text: str):
    session = FakeSession()
    session.put(PATH, text)
    for act in (observe(session, WISH), restore(session, WISH, KIND.facts(present=False))):
        with pytest.raises(InvalidInput, match=r"damaged.*line"):
            await act
    assert session.files[PATH].content == text.encode()


async def test_a_link_is_refused_and_left_alone():
    session = FakeSession()
    session.files[PATH] = link = Stat("symlink", "0777", "root", "root", 4, b"/run/fstab")
    before = await observe(session, WISH)
    with pytest.raises(InvalidInput, match="is a symlink"):
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
