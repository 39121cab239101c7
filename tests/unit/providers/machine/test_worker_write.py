"""What belongs to a file beside its bytes stays when the worker writes it; and why it can't write one."""

from __future__ import annotations

import base64
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.machine import worker, worker_run, worker_turns, worker_write
from tests.lab.support import require
from tests.unit.providers.machine.worker_process import encoded
from toolchain.versions import ROOT

ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 0xFFFFFFFF), (2, 4, 65534), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
)
"""The list `u::rw-,u:nobody:r--,g::r--,m::r--,o::---` as the kernel has it (acl(5))."""
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
"""cap_net_bind_service=ep, capabilities(7)."""
ATTRIBUTES = {"system.posix_acl_access": ACL, "security.capability": CAPABILITY, "user.origin": b"\xff\x00here"}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    require("root")
    (tmp_path / "file").write_text("old")
    try:
        for name, value in ATTRIBUTES.items():
            os.setxattr(tmp_path / "file", name, value)
    except OSError as error:
        pytest.skip(f"the file system of the tests keeps no such attributes: {error}")
    return tmp_path


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("owner", [None, "nobody"])
def test_the_attributes_of_a_file_go_over_to_what_takes_its_place(mine: Path, in_place: bool, owner: str | None):
    worker.op_write(str(mine / "file"), encoded("new"), owner=owner, in_place=in_place)
    assert (mine / "file").read_text() == "new"
    assert attributes(mine / "file") == ATTRIBUTES


@pytest.mark.parametrize("in_place", [False, True])
def test_bytes_that_come_back_are_from_when_they_were_written_to_the_nanosecond(tmp_path: Path, in_place: bool):
    file, then = tmp_path / "file", 1_234_567_890_123_456_789
    file.write_text("old")
    os.utime(file, ns=(then, then))
    modified = worker.op_stat(str(file))["modified"]
    worker.op_write(str(file), encoded("ours"))
    assert file.stat().st_mtime_ns > modified
    worker.op_write(str(file), encoded("old"), modified=modified, in_place=in_place)
    assert (file.read_text(), file.stat().st_mtime_ns) == ("old", modified)


def test_attributes_that_were_there_once_come_back_and_those_of_now_go(mine: Path):
    found = worker.op_stat(str(mine / "file"), content=True)["attributes"]
    assert {name: base64.b64decode(value) for name, value in found.items()} == ATTRIBUTES
    (mine / "file").unlink()
    (mine / "file").write_text("another")
    os.setxattr(mine / "file", "user.other", b"x")
    worker.op_write(str(mine / "file"), encoded("old"), mode="0640", attributes=found)
    assert attributes(mine / "file") == ATTRIBUTES


def test_a_new_owner_takes_neither_capabilities_nor_the_set_user_id_bit_away(mine: Path):
    (mine / "file").chmod(0o4755)
    before = attributes(mine / "file")
    worker.op_set_attributes(str(mine / "file"), owner="nobody")
    assert (mine / "file").stat().st_mode & 0o7777 == 0o4755
    assert attributes(mine / "file") == before


def test_a_file_without_a_list_gets_none_from_its_folder_when_it_is_replaced(mine: Path):
    os.setxattr(mine, "system.posix_acl_default", ACL)
    (mine / "plain").write_text("old")
    os.removexattr(mine / "plain", "system.posix_acl_access")
    worker.op_write(str(mine / "plain"), encoded("new"))
    assert attributes(mine / "plain") == {}
    worker.op_write(str(mine / "new"), encoded("new"))
    assert "system.posix_acl_access" in attributes(mine / "new")


def test_the_names_of_one_file_stay_names_of_one_file(mine: Path):
    mine.chmod(0o755)
    os.link(mine / "file", mine / "other")
    worker.op_write(str(mine / "file"), encoded("a longer text"), mode="0600")
    assert (mine / "other").read_text() == "a longer text"
    worker.op_write(str(mine / "file"), encoded("short"))
    assert (mine / "other").read_text() == "short"
    assert (mine / "file").samefile(mine / "other")


def test_no_name_that_somebody_gave_a_file_which_is_not_theirs_is_written_through(mine: Path):
    (mine / "theirs").mkdir()
    os.chown(mine / "theirs", 65534, 65534)
    os.link(mine / "file", mine / "theirs" / "config")
    with pytest.raises(worker.Refused, match=r"one of 2 names of a file \(hard links\)"):
        worker.op_write(str(mine / "theirs" / "config"), encoded("evil"))
    assert (mine / "file").read_text() == "old"


@pytest.fixture
def flagged(mine: Path) -> Iterator[Path]:
    require("chattr")
    if subprocess.run(["chattr", "+i", mine / "file"], check=False, capture_output=True).returncode != 0:
        pytest.skip("the file system of the tests has no flags")
    yield mine
    subprocess.run(["chattr", "-i", "-a", mine / "file", mine], check=True)


@pytest.mark.parametrize(
    ("op", "args"), [("write", {"content": encoded("new")}), ("remove", {}), ("symlink", {"target": "/x"})]
)
def test_a_file_that_is_immutable_is_said_to_be_and_how_to_change_that(flagged: Path, op: str, args: dict[str, Any]):
    path = str(flagged / "file")
    reply = worker.answer({"op": op, "args": {"path": path, **args}})
    assert reply["reason"] == f"{path} has the immutable flag (chattr +i)"
    assert f"chattr -i {path}" in reply["remedy"]
    assert (flagged / "file").read_text() == "old"
    assert [path.name for path in flagged.iterdir()] == ["file"]


def test_flags_go_over_to_what_takes_a_files_place(mine: Path):
    require("chattr")
    if subprocess.run(["chattr", "+Ad", mine / "file"], check=False, capture_output=True).returncode != 0:
        pytest.skip("the file system of the tests has no flags")
    worker.op_write(str(mine / "file"), encoded("new"))
    flags = subprocess.run(["lsattr", mine / "file"], check=True, capture_output=True, text=True).stdout.split()[0]
    assert {"A", "d"} <= set(flags)


@pytest.fixture
def mounted(mine: Path) -> Iterator[Path]:
    (mine / "source").write_text("old")
    done = subprocess.run(["mount", "--bind", mine / "source", mine / "file"], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield mine
    subprocess.run(["umount", mine / "file"], check=True)


def test_a_file_that_is_a_mount_of_its_own_is_said_to_be_and_written_in_place_where_asked(mounted: Path):
    path = str(mounted / "file")
    reply = worker.answer({"op": "write", "args": {"path": path, "content": encoded("new")}})
    assert "is a mount of its own" in reply["reason"]
    assert "in_place" in reply["remedy"]
    assert sorted(each.name for each in mounted.iterdir()) == ["file", "source"]
    worker.op_write(path, encoded("new"), in_place=True)
    assert (mounted / "source").read_text() == "new"


def test_a_mount_that_is_read_only_is_named(mounted: Path):
    subprocess.run(["mount", "-o", "remount,ro,bind", mounted / "file"], check=True)
    args = {"path": str(mounted / "file"), "content": encoded("new"), "in_place": True}
    reply = worker.answer({"op": "write", "args": args})
    assert f"the file system at {mounted}/file" in reply["reason"]
    assert "is mounted read-only" in reply["reason"]


def test_all_is_on_the_disk_before_it_gets_its_name(mine: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def noted(*args: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            folder = name == "fsync" and Path(f"/proc/self/fd/{args[0]}").is_dir()
            done.append(f"{name} of the folder" if folder else name)
            return real(*args, **more)

        monkeypatch.setattr(worker_write.os, name, noted)
    worker.op_write(str(mine / "file"), encoded("new"))
    assert done == ["fsync", "rename", "fsync of the folder"]


def test_a_full_process_table_is_told_with_its_number(monkeypatch: pytest.MonkeyPatch):
    def full(*_args: Any, **_more: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(worker_run.subprocess, "Popen", full)
    assert worker.answer({"op": "run", "args": {"argv": ["true"]}})["errno"] == errno.EAGAIN


def test_names_that_are_no_text_go_there_and_back(tmp_path: Path):
    name = b"caf\xe9"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    (entry,) = worker.op_stat(str(tmp_path), entries=True)["entries"]
    assert os.fsencode(entry) == name
    worker.op_remove(f"{tmp_path}/{entry}")
    assert list(tmp_path.iterdir()) == []


def test_an_owner_is_called_as_it_is_wished_where_that_is_the_same_account(tmp_path: Path):
    require("root")
    (tmp_path / "file").write_text("x")
    os.chown(tmp_path / "file", 65534, 0)

    def owner(wished: str) -> str:
        return worker.op_stat(str(tmp_path / "file"), owner=wished)["owner"]

    assert [owner(each) for each in ("nobody", "65534", "0", "root", "nobody-there")] == [
        "nobody",
        "65534",
        "nobody",
        "nobody",
        "nobody",
    ]


@pytest.mark.parametrize("old", ["", "one", "an older text that is longer than the new one"])
def test_a_text_that_does_not_fit_on_the_disk_leaves_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str
):
    file, write, room = tmp_path / "file", os.write, [4]
    file.write_text(old)

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            room[0] = 1000  # what was written beyond the old text is free again
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(worker_write.os, "write", full)
    reply = worker.answer(
        {"op": "write", "args": {"path": str(file), "content": encoded("a new text"), "in_place": True}}
    )
    assert reply["errno"] == errno.ENOSPC
    assert file.read_text() == old


def test_many_who_write_one_file_at_once_take_turns_and_leave_one_of_their_texts_whole(tmp_path: Path):
    file = tmp_path / "file"
    texts = [f"{number}" * 20_000 for number in range(8)]
    program = (
        "import sys; from providers.machine import worker\n"
        "for _ in range(25):\n"
        "    reply = worker.answer({'op': 'write', 'args': {'path': sys.argv[1], 'content': sys.argv[2]}})\n"
        "    assert 'result' in reply, reply\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(file), encoded(text)], cwd=ROOT, stderr=subprocess.PIPE)
        for text in texts
    ]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert file.read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_new_file_that_a_killed_writer_left_goes_and_one_that_is_being_written_is_waited_for(tmp_path: Path):
    folder = os.open(tmp_path, os.O_RDONLY)
    name, descriptor = worker_turns.claim(folder, "file")
    assert not worker_turns.drop_if_left(folder, name)
    os.close(descriptor)
    assert worker_turns.drop_if_left(folder, name)
    assert worker_turns.drop_if_left(folder, name)
    os.close(folder)
    assert list(tmp_path.iterdir()) == []
