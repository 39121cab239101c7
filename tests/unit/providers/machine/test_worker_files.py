"""What the worker does with files, as root, in folders of users who may not be friends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from providers.machine import worker, worker_files
from tests.lab.support import require
from tests.unit.providers.machine.worker_process import encoded


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    require("root")  # it gives files to others
    return tmp_path


def test_a_new_file_has_its_content_and_nothing_is_left_beside_it(mine: Path):
    worker.op_write(str(mine / "new"), encoded("text"), mode="0640", owner="nobody", group="nogroup")
    found = (mine / "new").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 65534, 65534)
    assert [path.name for path in mine.iterdir()] == ["new"]


def test_a_file_that_is_written_again_keeps_mode_and_owner(mine: Path):
    path = mine / "old"
    path.write_text("one")
    os.chown(path, 65534, 65534)
    path.chmod(0o4711)
    inode = path.stat().st_ino
    worker.op_write(str(path), encoded("two"))
    found = path.stat()
    assert path.read_text() == "two"
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o4711, 65534, 65534)
    assert found.st_ino != inode  # a new file took its place, so that nobody reads half of one


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(mine: Path):
    (mine / "old").write_text("one")
    with pytest.raises(worker.Refused, match="user 'nobody-there' does not exist"):
        worker.op_write(str(mine / "old"), encoded("two"), owner="nobody-there")
    (mine / "folder").mkdir()
    with pytest.raises(worker.Refused, match="is a directory"):
        worker.op_write(str(mine / "folder"), encoded("two"))
    assert (mine / "old").read_text() == "one"
    assert sorted(path.name for path in mine.iterdir()) == ["folder", "old"]


def test_what_a_write_that_was_cut_off_left_goes_with_the_next(mine: Path, monkeypatch: pytest.MonkeyPatch):
    def power_cut(*_names: Any, **_folders: Any) -> None:
        raise SystemExit

    for op, args in (("write", {"content": encoded("text")}), ("symlink", {"target": "/etc"})):
        with monkeypatch.context() as patch:
            patch.setattr(worker.os, "rename", power_cut)
            patch.setattr(worker.os, "unlink", lambda *_names, **_folders: None)
            with pytest.raises(SystemExit):
                worker.answer({"op": op, "args": {"path": str(mine / "file"), **args}})
        assert len(list(mine.iterdir())) == 1 + (op == "symlink")
        worker.answer({"op": op, "args": {"path": str(mine / "file"), **args}})
        assert [path.name for path in mine.iterdir()] == ["file"]


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(mine: Path):
    (mine / "target").write_text("kept")
    (mine / "link").symlink_to(mine / "target")
    worker.op_write(str(mine / "link"), encoded("new"))
    assert (mine / "target").read_text() == "kept"
    assert not (mine / "link").is_symlink()


@pytest.fixture
def planted(mine: Path) -> Path:
    """Return a folder of a user's, with a link in it that the user made, to a folder that is not theirs."""
    (mine / "theirs").mkdir()
    (mine / "target").mkdir()
    (mine / "target" / "file").write_text("kept")
    os.chown(mine / "theirs", 65534, 65534)
    (mine / "theirs" / "link").symlink_to(mine / "target")
    os.lchown(mine / "theirs" / "link", 65534, 65534)
    return mine / "theirs"


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("write", {"content": encoded("evil")}),
        ("stat", {"content": True}),
        ("set_attributes", {"mode": "0777"}),
        ("remove", {}),
        ("symlink", {"target": "/etc"}),
        ("make_directory", {"mode": "0777", "owner": "nobody", "group": "nogroup"}),
    ],
)
def test_a_folder_that_a_user_planted_as_a_link_is_refused(planted: Path, op: str, args: dict[str, Any]):
    reply = worker.answer({"op": op, "args": {"path": str(planted / "link" / "file"), **args}})
    assert "is a link that root did not make" in reply["refused"]
    target = planted.parent / "target"
    assert (target / "file").read_text() == "kept"
    assert [path.name for path in target.iterdir()] == ["file"]


def test_a_link_that_root_made_on_the_way_is_followed(mine: Path):
    (mine / "real").mkdir()
    (mine / "way").symlink_to("real")
    worker.op_write(str(mine / "way" / "file"), encoded("text"))
    assert (mine / "real" / "file").read_text() == "text"


def test_links_that_lead_in_a_circle_are_refused(mine: Path):
    (mine / "a").symlink_to("b")
    (mine / "b").symlink_to("a")
    assert "refused" in worker.answer({"op": "stat", "args": {"path": str(mine / "a" / "x")}})


@pytest.mark.parametrize("what", ["symlink", "fifo"])
def test_attributes_are_set_on_no_link_and_no_pipe_hangs(mine: Path, what: str):
    target = mine / "target"
    target.write_text("")
    if what == "symlink":
        (mine / "it").symlink_to(target)
    else:
        os.mkfifo(mine / "it")
    worker.answer({"op": "set_attributes", "args": {"path": str(mine / "it"), "mode": "0777", "owner": "nobody"}})
    assert (target.stat().st_mode & 0o777, target.stat().st_uid) == (0o644, 0)


def test_a_tree_is_removed_without_following_its_links(planted: Path):
    worker.op_remove(str(planted), recursive=True)
    assert not planted.exists()
    assert (planted.parent / "target" / "file").read_text() == "kept"


def test_of_a_tree_all_goes_but_what_can_not_be_removed_which_is_named(mine: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a/first", "b/kept", "b/other", "c/last"):
        (mine / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / "tree" / name).write_text("text")
    unlink = os.unlink

    def immutable(name: str, **folders: Any) -> None:
        if name == "kept":
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, **folders)

    monkeypatch.setattr(worker_files.os, "unlink", immutable)
    reply = worker.answer({"op": "remove", "args": {"path": str(mine / "tree"), "recursive": True}})
    assert reply["error"] == "'kept': Operation not permitted"
    assert [str(path.relative_to(mine)) for path in sorted(mine.rglob("*"))] == ["tree", "tree/b", "tree/b/kept"]


def test_a_folder_with_content_is_removed_only_as_a_tree(mine: Path):
    (mine / "folder").mkdir()
    (mine / "folder" / "file").write_text("kept")
    reply = worker.answer({"op": "remove", "args": {"path": str(mine / "folder")}})
    assert reply["errno"] == 39
    assert (mine / "folder" / "file").exists()


def test_what_is_not_there_is_no_error_to_look_at_or_to_remove(mine: Path):
    assert worker.op_stat(str(mine / "no" / "such")) is None
    worker.op_remove(str(mine / "no" / "such"))
    worker.op_remove(str(mine / "none"))


def test_a_missing_folder_is_named(mine: Path):
    reply = worker.answer({"op": "write", "args": {"path": str(mine / "no" / "file"), "content": ""}})
    assert "folder 'no' is missing" in reply["error"]
    assert reply["errno"] == 2


def test_of_a_file_that_is_too_large_is_said_why_it_is_not_read(mine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_files, "LIMIT", 10)
    (mine / "large").write_text("x" * 11)
    found = worker.op_stat(str(mine / "large"), content=True)
    assert "content" not in found
    assert found["unreadable"] == "11 bytes, and at most 10 are kept"
    assert "content" in worker.op_stat(str(mine / "large"), content=True, limit=11)
    assert worker.op_stat(str(mine / "large"))["size"] == 11


def test_a_link_that_can_not_take_its_place_leaves_nothing_beside_it(mine: Path):
    (mine / "folder").mkdir()
    assert "error" in worker.answer({"op": "symlink", "args": {"path": str(mine / "folder"), "target": "/etc"}})
    assert [path.name for path in mine.iterdir()] == ["folder"]
