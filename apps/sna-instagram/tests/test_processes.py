"""The child processes: each ends at its deadline, and nothing outlives the plugin."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sna_instagram.workers import ROOT, Workers
from sna_instagram_fetch.failures import Failure, FetchFailed

LOG = logging.getLogger("test")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _gone(pid: int) -> bool:
    for _ in range(600):
        if not _alive(pid):
            return True
        await asyncio.sleep(0.05)
    return False


# A program in the place of the real one: its fetchers are those of this text.
_PROGRAM = """
import os, subprocess, sys, time
from sna_instagram_fetch import child
def hang(code, proxy, seconds):
    grandchild = subprocess.Popen(["sleep", "300"])
    open(code, "w").write(f"{os.getpid()} {grandchild.pid}")
    time.sleep(300)
def die(code, proxy, seconds):
    os._exit(3)
def talk(code, proxy, seconds):
    print("what a library prints is no answer")
    raise RuntimeError("a fault of the library's own")
child._fetchers = lambda: {"hang": hang, "die": die, "talk": talk}
child.main()
"""


@pytest_asyncio.fixture
async def odd_workers() -> AsyncIterator[Workers]:
    workers = Workers(LOG, _PROGRAM)
    await workers.prepare()
    yield workers
    await workers.stop()


async def test_a_child_that_hangs_is_ended_at_the_deadline_with_what_it_started(
    odd_workers: Workers, tmp_path: Path
) -> None:
    noted = tmp_path / "pids"
    began = time.monotonic()
    job = {"fetcher": "hang", "shortcode": str(noted), "proxy": "", "seconds": 60}
    with pytest.raises(FetchFailed) as failed:
        await odd_workers.run(job, 5.0)
    assert time.monotonic() - began < 30
    assert failed.value.failure is Failure.TIMEOUT
    child, grandchild = map(int, noted.read_text().split())
    assert await _gone(child)
    assert await _gone(grandchild)


async def test_a_child_that_dies_is_an_answer_too(odd_workers: Workers) -> None:
    with pytest.raises(FetchFailed) as failed:
        await odd_workers.run({"fetcher": "die", "shortcode": "C", "proxy": "", "seconds": 5}, 60)
    assert failed.value.failure is Failure.UNKNOWN


async def test_a_fault_of_a_librarys_own_is_told_and_what_it_prints_is_not(odd_workers: Workers) -> None:
    answer = await odd_workers.run({"fetcher": "talk", "shortcode": "C", "proxy": "", "seconds": 5}, 60)
    assert answer == {"failure": "unknown", "detail": "talk: RuntimeError: a fault of the library's own"}


async def test_the_fetchers_that_are_installed_are_known(workers: Workers, odd_workers: Workers) -> None:
    assert await workers.fetchers(30) == ["instaloader", "yt-dlp"]
    assert await odd_workers.fetchers(30) == ["die", "hang", "talk"]


async def test_a_fetcher_that_is_not_installed_is_named(odd_workers: Workers) -> None:
    answer = await odd_workers.run({"fetcher": "yt-dlp", "shortcode": "C", "proxy": "", "seconds": 5}, 60)
    assert "yt-dlp is not installed" in answer["detail"]


async def test_another_process_is_started_when_the_one_that_waits_was_killed(odd_workers: Workers) -> None:
    await odd_workers.run({"fetcher": "talk", "shortcode": "C", "proxy": "", "seconds": 5}, 60)
    parent = odd_workers._parent
    assert parent is not None
    os.killpg(parent.pid, 9)
    answer = await odd_workers.run({"fetcher": "talk", "shortcode": "C", "proxy": "", "seconds": 5}, 60)
    assert answer["failure"] == "unknown"
    assert odd_workers._parent is not parent


async def test_nothing_is_left_running_after_the_stop(tmp_path: Path) -> None:
    workers = Workers(LOG, _PROGRAM)
    noted = tmp_path / "pids"
    job = {"fetcher": "hang", "shortcode": str(noted), "proxy": "", "seconds": 60}
    running = asyncio.create_task(workers.run(job, 30))
    while not (noted.exists() and noted.read_text()):
        await asyncio.sleep(0.05)
    await workers.stop()
    with pytest.raises(FetchFailed):
        await running
    assert workers._parent is not None
    for pid in [workers._parent.pid, *map(int, noted.read_text().split())]:
        assert await _gone(pid)


async def test_the_processes_end_when_the_plugins_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, logging, sys\n"
        "from sna_instagram.workers import Workers\n"
        "async def main():\n"
        f"    workers = Workers(logging.getLogger(), {_PROGRAM!r})\n"
        "    await workers.prepare()\n"
        f"    job = {{'fetcher': 'hang', 'shortcode': {str(tmp_path / 'pids')!r}, 'proxy': '', 'seconds': 1}}\n"
        "    asyncio.create_task(workers.run(job, 30))\n"
        "    await asyncio.sleep(0.1)\n"
        "    print(workers._parent.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    plugin = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert plugin.stdout is not None
    parent = int(await plugin.stdout.readline())
    noted = tmp_path / "pids"
    while not (noted.exists() and noted.read_text()):
        await asyncio.sleep(0.05)
    plugin.kill()
    await plugin.wait()
    assert await _gone(parent)
    assert await _gone(int(noted.read_text().split()[0]))
