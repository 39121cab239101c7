"""Waiting until something holds, and the lock that processes hold against each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from toolchain.locks import LockHeldError, exclusive
from toolchain.versions import ROOT
from toolchain.waiting import as_it_is, wait_until, wait_until_async

HOLDER = """
import sys
from pathlib import Path
from toolchain.locks import exclusive
with exclusive(Path(sys.argv[1][5:]) if sys.argv[1].startswith("file:") else sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
"""


def too_late(found: int) -> NoReturn:
    raise TimeoutError(f"the last answer was {found}")


def ignore(_text: str) -> None:
    """Take what is said, and drop it."""


def test_the_first_true_answer_is_returned():
    answers = iter([0, 0, 7, 8])
    assert wait_until(lambda: next(answers), 60, too_late, pause=0) == 7


def test_what_counts_as_good_can_be_told():
    answers = iter([[3], [2], [], [1]])
    assert wait_until(lambda: next(answers), 60, as_it_is, good=lambda left: not left, pause=0) == []
    assert next(answers) == [1]


def test_after_the_time_the_last_answer_goes_to_otherwise():
    with pytest.raises(TimeoutError, match="the last answer was 0"):
        wait_until(lambda: 0, 0.05, too_late, pause=0.01)
    assert wait_until(lambda: 0, 0.05, lambda _: 9, pause=0.01) == 9


def test_it_is_asked_once_at_least_however_little_time_there_is():
    asked: list[int] = []
    assert wait_until(lambda: asked.append(1), 0, as_it_is) is None
    assert asked == [1]
    assert wait_until(lambda: 5, -1, too_late) == 5


def test_what_the_question_raises_ends_the_waiting():
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, 60, too_late)


async def test_an_answer_may_be_awaited():
    answers = iter([0, 0, 7])

    async def ask() -> int:
        return next(answers)

    async def never() -> int:
        return 0

    assert await wait_until_async(ask, 60, too_late, pause=0) == 7
    with pytest.raises(TimeoutError, match="the last answer was 0"):
        await wait_until_async(never, 0.05, too_late, pause=0.01)


@pytest.mark.parametrize("kind", ["file", "name"])
def test_a_lock_is_held_against_other_processes_and_goes_with_its_holder(tmp_path: Path, kind: str):
    lock = tmp_path / "folder" / "lock" if kind == "file" else f"hearth-test-{tmp_path}"
    told = f"file:{lock}" if kind == "file" else str(lock)
    command = [sys.executable, "-c", HOLDER, told]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        said: list[str] = []
        with pytest.raises(LockHeldError, match="another process has held"), exclusive(lock, said.append, 0.1):
            pytest.fail("two hold it")
        assert said == [f"waiting for another process that holds {lock}"]
        holder.kill()
    with exclusive(lock, said.append, 30):
        pass


def test_a_name_that_no_lock_can_have_is_an_error_at_once():
    with pytest.raises(OSError, match="too long"), exclusive("x" * 200, ignore):
        pytest.fail("it was held")
