"""A Tree on the files of this machine, by the worker's own operations: every file for itself, there and back."""

from __future__ import annotations

import os
import pwd
import struct
from pathlib import Path
from typing import Any

import pytest

from providers.errors import HearthError, InvalidInput
from providers.kinds.tree import kind as tree
from providers.kinds.tree.kind import KIND, TreeInputs
from providers.machine import worker_tree, worker_tree_back, worker_tree_begin, worker_tree_notes, worker_tree_put
from tests.lab.support import require
from tests.unit.providers.kinds.local_session import LocalSession

ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 0xFFFFFFFF), (2, 6, 65534), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
)
"""The list `u::rw-,u:nobody:rw-,g::r--,m::rw-,o::---` as the kernel has it (acl(5))."""


class Place:
    """A project with a source, and a machine's folder to bring it to."""

    def __init__(self, folder: Path) -> None:
        self.site, self.there = folder / "project" / "site", folder / "machine" / "srv"
        self.own = folder / "own"
        self.session = LocalSession()

    def inputs(self, **more: Any) -> TreeInputs:
        given = TreeInputs(host="here", path=str(self.there), source="site", **more)
        return given.model_copy(update={"files": tree.wished_files(given)})

    async def up(self, **more: Any) -> TreeInputs:
        inputs = self.inputs(**more)
        facts = await KIND.observe(self.session, inputs)
        if KIND.differences(inputs, facts) or not facts.present:
            await KIND.apply(self.session, inputs, facts)
        else:
            await tree.adopt(self.session, inputs, facts)
        assert KIND.differences(inputs, await KIND.observe(self.session, inputs)) == {}
        return inputs

    async def down(self, inputs: TreeInputs) -> None:
        for _ in range(2):  # it may run twice
            await KIND.restore(self.session, inputs, tree.TreeFacts(present=False))
        assert not self.own.exists()

    async def drift(self, inputs: TreeInputs) -> list[str]:
        found = (await KIND.observe(self.session, inputs)).files
        wished = inputs.files or {}
        return sorted(path for path in found.keys() | wished.keys() if found.get(path) != wished.get(path))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    require("root")
    made = Place(tmp_path)
    for module in (worker_tree, worker_tree_notes):
        monkeypatch.setattr(module, "OWN", str(made.own))
        monkeypatch.setattr(module, "TREES", str(made.own / "trees"))
    (made.site / "sub").mkdir(parents=True)
    (made.site / "index.html").write_text("hello")
    (made.site / "sub" / "run").write_bytes(b"\xff\x00")
    (made.site / "sub" / "run").chmod(0o755)
    made.there.parent.mkdir()
    monkeypatch.chdir(made.site.parent)
    return made


def seen(folder: Path) -> dict[str, Any]:
    """Return all that there is to know of everything in a folder."""
    result: dict[str, Any] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        found = path.lstat()
        what: Any = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        attributes = {} if path.is_symlink() else {name: os.getxattr(path, name) for name in os.listxattr(path)}
        when = None if path.is_dir() else found.st_mtime_ns
        result[str(path)] = (oct(found.st_mode), found.st_uid, found.st_gid, what, attributes, when, found.st_nlink)
    return result


async def test_a_new_tree_comes_whole_and_goes_whole(place: Place):
    (place.site / "link").symlink_to("sub/run")
    inputs = await place.up()
    assert (place.there / "index.html").read_text() == "hello"
    assert (place.there / "sub" / "run").read_bytes() == b"\xff\x00"
    assert oct((place.there / "sub" / "run").stat().st_mode)[-4:] == "0755"
    assert str((place.there / "link").readlink()) == "sub/run"
    assert await place.drift(inputs) == []
    await place.down(inputs)
    assert not place.there.exists()


async def test_nothing_of_the_bytes_or_of_this_computers_folders_is_in_the_state(place: Place):
    said = place.inputs().model_dump_json()
    assert "hello" not in said
    assert str(place.site.parent) not in said
    assert "site" in said


async def test_modes_and_owners_follow_the_rules(place: Place):
    (place.site / "a.key").write_text("x")
    nobody = pwd.getpwnam("nobody")
    rules = [{"pattern": "*.key", "mode": "0600", "owner": "nobody"}, {"pattern": "sub/", "mode": "0700"}]
    inputs = await place.up(rules=rules, mode="0640")
    found = (place.there / "a.key").stat()
    assert (oct(found.st_mode)[-4:], found.st_uid) == ("0600", nobody.pw_uid)
    assert oct((place.there / "sub").stat().st_mode)[-4:] == "0700"
    assert oct((place.there / "sub" / "run").stat().st_mode)[-4:] == "0640"
    (place.there / "sub").chmod(0o777)
    os.chown(place.there / "a.key", 0, 0)
    assert await place.drift(inputs) == ["a.key", "sub/"]
    await place.up(rules=rules, mode="0640")


async def test_each_file_that_drifted_is_named_and_repaired_by_itself(place: Place):
    inputs = await place.up()
    (place.there / "index.html").write_text("changed")
    (place.there / "sub" / "run").unlink()
    assert await place.drift(inputs) == ["index.html", "sub/run"]
    kept = (place.there / "sub").stat().st_ino
    await place.up()
    assert (place.there / "sub").stat().st_ino == kept
    assert (place.there / "index.html").read_text() == "hello"


async def test_what_was_there_comes_back_with_all_that_belongs_to_it(place: Place):
    (place.there / "sub").mkdir(parents=True)
    place.there.chmod(0o710)
    old = place.there / "index.html"
    old.write_bytes(b"\xfeold")
    old.chmod(0o604)
    os.chown(old, 65534, 65534)
    os.setxattr(old, "user.origin", b"\xff")
    os.utime(old, ns=(10**18, 10**18 + 7))
    (place.there / "sub" / "run").symlink_to(os.fsdecode(b"/nowhere\xff"))
    (place.there / "mine").write_text("a stranger")
    before = seen(place.there)
    inputs = await place.up()
    assert oct(old.stat().st_mode)[-4:] == "0604", "a mode that the program leaves out stays"
    assert os.getxattr(old, "user.origin") == b"\xff"
    assert old.read_text() == "hello"
    await place.up(mode="0600", owner="nobody")
    await place.up()
    await place.down(inputs)
    assert seen(place.there) == before


async def test_a_file_that_everybody_may_write_is_drift_is_closed_and_opened_again_by_destroy(place: Place):
    place.there.mkdir()
    for name, content in (("index.html", "hello"), ("other.html", "theirs")):
        (place.site / name).write_text("hello")
        (place.there / name).write_text(content)
        (place.there / name).chmod(0o646)
    before = seen(place.there)
    inputs = place.inputs()
    line = (await KIND.observe(place.session, inputs)).files["index.html"]
    assert line.endswith(" <everybody may write into it: its mode is 0646>")
    assert await place.drift(inputs) == ["index.html", "other.html", "sub/", "sub/run"]
    await place.up()
    assert [oct((place.there / name).stat().st_mode)[-3:] for name in ("index.html", "other.html")] == ["644", "644"]
    (place.there / "other.html").chmod(0o606)
    assert await place.drift(inputs) == ["other.html"]
    await place.up()
    assert oct((place.there / "other.html").stat().st_mode)[-3:] == "604"
    assert await place.drift(inputs) == []
    await place.down(inputs)
    assert seen(place.there) == before


async def test_a_mode_that_is_wished_is_no_strangers(place: Place):
    await place.up(mode="0666")
    assert oct((place.there / "index.html").stat().st_mode)[-4:] == "0666"


def test_what_root_acts_on_is_its_own_whichever_kind_has_it(place: Place):
    inputs = place.inputs().model_copy(
        update={"path": "/etc/sudoers.d", "files": {"ann": "(0644) (root):(root) 1 bytes sha256:0"}}
    )
    there = {"type": "file", "mode": "0664", "owner": "ann", "group": "ann", "size": 1, "kept": True}
    found = tree._others(inputs, "ann", there)  # pyright: ignore[reportPrivateUsage]
    assert (found.mode, found.owner) == ("0644", "root")
    listed = tree._others(inputs, "ann", {**there, "owner": "root", "group": "root", "listed": True})  # pyright: ignore[reportPrivateUsage]
    assert (listed.mode, listed.owner) == ("0644", None)


async def test_an_access_control_list_is_seen_where_it_lets_others_write(place: Place):
    place.there.mkdir()
    file = place.there / "index.html"
    file.write_text("hello")
    inputs = place.inputs()
    for mode, listed in ((0o664, None), (0o660, True), (0o640, None)):
        file.chmod(mode)
        if listed:
            os.setxattr(file, "system.posix_acl_access", ACL)
        found = await place.session.tree("look", str(place.there), **tree._about(inputs))  # pyright: ignore[reportPrivateUsage]
        assert found["files"]["index.html"].get("listed") == listed


async def test_who_reads_a_file_of_the_tree_reads_it_anew_when_it_comes_changes_and_goes(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    told: list[dict[str, tuple[str, str]]] = []

    async def read(_session: object, changes: dict[str, tuple[str, str]]) -> None:
        told.append({path.removeprefix(f"{place.there}/"): texts for path, texts in changes.items()})

    monkeypatch.setattr(tree, "read_all_anew", read)
    monkeypatch.setattr(tree, "is_read", lambda _path: True)
    place.there.mkdir()
    (place.there / "index.html").write_text("theirs")
    (place.there / "stranger").write_text("x")
    (place.site / "link").symlink_to("index.html")
    is_, gone = ("was", "is"), ("was", "")
    inputs = await place.up(exact=True)
    assert told.pop() == {"index.html": is_, "link": is_, "sub/run": is_, "stranger": gone}
    (place.there / "index.html").chmod(0o600)  # another mode changes nothing for who reads it
    await place.up(exact=True, mode="0644")
    assert told == []
    (place.site / "link").unlink()
    (place.site / "sub" / "run").write_text("another")
    inputs = await place.up(exact=True)
    assert told.pop() == {"sub/run": is_, "link": gone}
    await place.down(inputs)
    assert told == [{"index.html": is_, "sub/run": gone, "stranger": is_}]


async def test_what_is_right_already_is_left_as_it_is_and_stays(place: Place):
    place.there.mkdir()
    (place.there / "sub").mkdir()
    (place.there / "index.html").write_text("hello")
    (place.there / "index.html").chmod(0o600)
    (place.there / "sub" / "run").write_bytes(b"\xff\x00")
    before = seen(place.there)
    inputs = await place.up()
    assert seen(place.there) == before
    await place.down(inputs)
    assert seen(place.there) == before


async def test_what_was_right_and_changed_later_comes_back_as_it_was(place: Place):
    place.there.mkdir()
    (place.there / "index.html").write_text("hello")
    before = seen(place.there)
    await place.up()
    (place.site / "index.html").write_text("another")
    inputs = await place.up(mode="0600")
    assert (place.there / "index.html").read_text() == "another"
    await place.down(inputs)
    assert seen(place.there) == before


async def test_what_was_right_drifted_and_was_repaired_stays_as_it_was_at_first(place: Place):
    place.there.mkdir()
    file = place.there / "index.html"
    file.write_text("hello")
    os.utime(file, ns=(10**18, 10**18 + 7))
    before = seen(place.there)
    await place.up()
    file.write_text("hello and more")
    inputs = await place.up()
    # From one source to another and back: what is let go and taken again is as it was in between, too.
    (place.site / "index.html").rename(place.site / "other.html")
    await place.up()
    assert file.stat().st_mtime_ns == 10**18 + 7
    (place.site / "other.html").rename(place.site / "index.html")
    await place.up()
    file.write_text("hello and more")
    await place.up()
    await place.down(inputs)
    assert seen(place.there) == before


async def test_a_file_that_leaves_the_source_leaves_the_machine_or_is_put_back(place: Place):
    (place.site / "gone" / "deep").mkdir(parents=True)
    (place.site / "gone" / "deep" / "a").write_text("a")
    place.there.mkdir()
    (place.there / "index.html").write_text("theirs")
    await place.up()
    (place.site / "index.html").unlink()
    (place.site / "gone" / "deep" / "a").unlink()
    await place.up()
    assert not (place.there / "gone").exists()
    assert (place.there / "index.html").read_text() == "theirs"


async def test_a_file_becomes_a_folder_and_a_folder_a_file(place: Place):
    await place.up()
    (place.site / "sub" / "run").unlink()
    (place.site / "sub").rmdir()
    (place.site / "sub").write_text("a file now")
    (place.site / "index.html").unlink()
    (place.site / "index.html").mkdir()
    (place.site / "index.html" / "x").write_text("a folder now")
    inputs = await place.up()
    assert (place.there / "sub").read_text() == "a file now"
    assert (place.there / "index.html" / "x").read_text() == "a folder now"
    await place.down(inputs)
    assert not place.there.exists()


async def test_strangers_are_left_alone_unless_the_tree_is_exact(place: Place):
    (place.there / "data").mkdir(parents=True)
    (place.there / "data" / "db").write_text("precious")
    (place.there / os.fsdecode(b"odd\xff")).write_text("x")
    (place.there / "keep").write_text("kept")
    before = seen(place.there)
    inputs = await place.up()
    assert (place.there / "data" / "db").read_text() == "precious"
    exact = place.inputs(exact=True, exclude=["keep"])
    assert await place.drift(exact) == ["data/", "odd\\xff"]
    await place.up(exact=True, exclude=["keep"])
    assert sorted(each.name for each in place.there.iterdir()) == ["index.html", "keep", "sub"]
    assert any("comes back on destroy" in said for said in place.session.messages)
    (place.there / "data").write_text("one that came later")
    assert await place.drift(exact) == ["data"]
    await place.up(exact=True, exclude=["keep"])
    await place.down(inputs)
    (later,) = place.there.glob("data.hearth-*")
    assert later.read_text() == "one that came later"
    later.unlink()
    assert seen(place.there) == before


async def test_the_others_of_one_folder_are_no_strangers(place: Place):
    await place.up(exact=True)
    (place.own / "records").mkdir()
    mine = place.there / "local.conf"
    mine.write_text("a File's")
    record = f'{{"thing": ["hearth:host:File", "{str(mine)[1:]}"]}}'
    (place.own / "records" / "x.json").write_text(record)
    assert await place.drift(place.inputs(exact=True)) == []
    (place.site / "local.conf").write_text("ours as well")
    with pytest.raises(InvalidInput, match="another resource's"):
        await place.up()
    assert mine.read_text() == "a File's"


async def test_two_trees_at_one_path_do_not_take_each_others_files(place: Place):
    one = await place.up(name="one")
    with pytest.raises(InvalidInput, match="another resource's"):
        await place.up(name="two")
    (place.site / "index.html").rename(place.site / "other.html")
    (place.site / "sub" / "run").rename(place.site / "sub" / "walk")
    two = await place.up(name="two")
    await KIND.restore(place.session, one, tree.TreeFacts(present=False))
    assert (place.there / "other.html").exists()
    await place.down(two)
    assert (place.there / "sub").exists() is False or list((place.there / "sub").iterdir()) == []


IN_THE_WAY = {
    "is a folder, and a file is wished": lambda there: (there / "index.html").mkdir(),
    "is a file, and a folder is wished": lambda there: (there / "sub").write_text("x"),
    "is a link to /elsewhere, where a folder is wished": lambda there: (there / "sub").symlink_to("/elsewhere"),
    "is a pipe, socket or device": lambda there: os.mkfifo(there / "index.html"),
}


@pytest.mark.parametrize("said", IN_THE_WAY)
async def test_what_is_in_the_way_is_named_before_anything_is_changed(place: Place, said: str):
    place.there.mkdir()
    IN_THE_WAY[said](place.there)
    names = sorted(place.there.iterdir())
    with pytest.raises(InvalidInput) as refused:
        await place.up()
    assert said in str(refused.value)
    assert "nothing was changed" in str(refused.value)
    assert refused.value.remedy
    assert sorted(place.there.iterdir()) == names
    assert not place.own.exists()


async def test_a_link_that_replaced_a_folder_is_not_followed(place: Place, tmp_path: Path):
    inputs = await place.up()
    elsewhere = tmp_path / "elsewhere"
    (place.there / "sub").rename(elsewhere)
    (place.there / "sub").symlink_to(elsewhere)
    (elsewhere / "run").write_text("another's")
    assert await place.drift(inputs) == ["sub/", "sub/run"]
    with pytest.raises(InvalidInput, match="no link is followed"):
        await place.up()
    await KIND.restore(place.session, inputs, tree.TreeFacts(present=False))
    assert (elsewhere / "run").read_text() == "another's"


async def test_an_account_that_is_not_there_is_refused_before_anything_is_changed(place: Place):
    with pytest.raises(InvalidInput, match="'nobody-here' does not exist"):
        await place.up(owner="nobody-here")
    assert not place.there.exists()


async def test_a_tree_without_its_parent_is_refused(place: Place):
    place.there.parent.rmdir()
    with pytest.raises(InvalidInput, match="the folder that it is to lie in"):
        await place.up()


async def test_a_file_with_several_names_keeps_them(place: Place):
    place.there.mkdir()
    (place.there / "index.html").write_text("old")
    os.link(place.there / "index.html", place.there / "second")
    before = seen(place.there)
    inputs = await place.up()
    assert (place.there / "second").read_text() == "hello"
    await place.down(inputs)
    after = seen(place.there)
    assert {path: each[:4] for path, each in after.items()} == {path: each[:4] for path, each in before.items()}
    assert (place.there / "second").samefile(place.there / "index.html")


async def test_large_files_go_in_pieces(place: Place):
    data = os.urandom(5 * 1024 * 1024 + 3)
    (place.site / "large").write_bytes(data)
    inputs = await place.up(mode="0600")
    assert (place.there / "large").read_bytes() == data
    assert oct((place.there / "large").stat().st_mode)[-4:] == "0600"
    (place.there / "large").write_bytes(data[1:] + b"x")
    await place.up(mode="0600")
    await place.down(inputs)


async def test_a_machine_that_keeps_its_own_elsewhere_copies(place: Place, monkeypatch: pytest.MonkeyPatch):
    """As where /var is another file system than /srv."""
    place.there.mkdir()
    old = place.there / "index.html"
    old.write_bytes(b"\xffold")
    os.setxattr(old, "user.origin", b"here")
    os.utime(old, ns=(10**18, 10**18))
    (place.there / "data").mkdir()
    (place.there / "data" / "db").write_text("precious")
    before = seen(place.there)
    shm = Path("/dev/shm") / f"hearth-test-{os.getpid()}"
    if shm.parent.stat().st_dev == place.there.stat().st_dev:
        pytest.skip("there is one file system only")
    for module in (worker_tree, worker_tree_notes):
        monkeypatch.setattr(module, "OWN", str(shm))
        monkeypatch.setattr(module, "TREES", str(shm / "trees"))
    place.own = shm
    inputs = await place.up(exact=True)
    assert not (place.there / "data").exists()
    await place.down(inputs)
    assert seen(place.there) == before


async def test_a_try_that_was_cut_short_does_not_take_its_own_work_for_what_was_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.there.mkdir()
    (place.there / "index.html").write_text("theirs")
    (place.there / "stranger").write_text("theirs too")
    before = seen(place.there)
    inputs = place.inputs(exact=True)
    cuts = [(worker_tree_begin, "save"), (worker_tree_begin.Notes, "write"), (worker_tree_begin, "move_away")]
    cuts += [(worker_tree_begin, "move"), (worker_tree_begin, "arrange"), (worker_tree_put, "write_one")]
    for module, name in cuts:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, _cut)
            with pytest.raises(HearthError, match="power"):
                await place.up(exact=True)
    await place.up(exact=True)
    for module, name in [(worker_tree_back, "bring_back"), (worker_tree_back, "move"), (worker_tree_back, "give")]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, _cut)
            if name != "give":
                with pytest.raises(HearthError, match="power"):
                    await KIND.restore(place.session, inputs, tree.TreeFacts(present=False))
    await place.down(inputs)
    assert seen(place.there) == before


def _cut(*_: Any, **__: Any) -> None:
    raise RuntimeError("no power")


async def test_what_somebody_removed_is_made_anew_for_what_was_in_it(place: Place):
    (place.there / "sub").mkdir(parents=True)
    (place.there / "sub" / "run").write_text("theirs")
    inputs = await place.up()
    (place.there / "sub" / "run").unlink()
    (place.there / "sub").rmdir()
    await place.down(inputs)
    assert (place.there / "sub" / "run").read_text() == "theirs"
    assert any("made for what comes back" in said for said in place.session.messages)


async def test_what_an_exact_tree_moved_away_in_turns_comes_back_where_it_was(place: Place):
    (place.there / "sub" / "uploads").mkdir(parents=True)
    (place.there / "sub" / "uploads" / "letter").write_text("dear")
    (place.there / "sub" / "run").write_text("theirs")
    (place.there / "sub").chmod(0o701)
    before = seen(place.there)
    await place.up(exact=True, folder_mode="0750")
    (place.site / "sub").rename(place.site.parent / "away")
    await place.up(exact=True, folder_mode="0750")
    assert [each.name for each in place.there.iterdir()] == ["index.html"]
    (place.site.parent / "away").rename(place.site / "sub")
    inputs = await place.up(exact=True, folder_mode="0750")
    await place.down(inputs)
    assert seen(place.there) == before


async def test_a_folder_that_is_not_empty_stays(place: Place):
    inputs = await place.up()
    (place.there / "sub" / "new").write_text("another's")
    await place.down(inputs)
    assert [str(each.relative_to(place.there)) for each in place.there.rglob("*")] == ["sub", "sub/new"]
    assert any("is not empty" in said for said in place.session.messages)


async def test_damaged_notes_are_said_and_nothing_is_changed(place: Place):
    inputs = await place.up()
    (notes,) = place.own.glob("trees/*/notes.json")
    notes.write_text("")
    with pytest.raises(HearthError, match="can't be read"):
        await KIND.observe(place.session, inputs)


@pytest.mark.parametrize("source", ["/etc", "../x", "", ".", "a/../b", "~/x", "a\\b"])
def test_a_source_that_is_not_the_projects_is_refused(source: str):
    with pytest.raises(ValueError, match="must be a folder of the project"):
        TreeInputs(host="here", path="/srv", source=source)


@pytest.mark.parametrize(
    "rule", [{}, {"pattern": "*"}, {"mode": "0644"}, {"pattern": "*", "mode": "9"}, {"pattern": "*", "chmod": "0644"}]
)
def test_a_rule_that_is_none_is_refused(rule: dict[str, str]):
    with pytest.raises(ValueError, match="must be"):
        TreeInputs(host="here", path="/srv", source="x", rules=[rule])
