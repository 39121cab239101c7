"""The child processes that fetch: one that has the libraries imported, and a fork of it for each job.

A fork takes milliseconds; starting Python and importing yt-dlp, curl_cffi and instaloader takes most of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import sna_instagram_fetch
from sna_instagram_fetch.failures import Failure, FetchFailed

# The plugin's own file (an .mbp, which Python imports from as it is) or, unpacked, its folder.
ROOT = str(Path(sna_instagram_fetch.__file__ or "").parent.parent)
_START = "from sna_instagram_fetch.child import main; main()"
# An answer is a post as JSON: a carousel of twenty with long addresses takes some 100 KB.
_LINE_BYTES = 2 * 1024 * 1024


class Workers:
    """Starts, feeds and ends the processes. `start` is their program; tests have one of their own."""

    def __init__(self, log: logging.Logger, start: str = _START) -> None:
        self._log = log
        self._start = start
        self._parent: asyncio.subprocess.Process | None = None
        self._jobs: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._running: set[int] = set()
        self._stopped = False

    async def prepare(self) -> None:
        """Start the process with the libraries, if it does not run. It takes jobs before it is ready."""
        async with self._starting:
            if self._stopped:
                raise FetchFailed(Failure.UNKNOWN, "the plugin is being stopped")
            if self._parent is not None and self._parent.returncode is None:
                return
            if self._jobs is not None:
                self._jobs.close()
            self._jobs, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._jobs.setblocking(False)
            # It sees the modules that this process sees (Nix and others put them on the path by means of their own).
            path = os.pathsep.join([ROOT, *(entry for entry in sys.path if entry)])
            with theirs:
                self._parent = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-c", self._start,
                    stdin=theirs, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True, env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                )  # fmt: skip

    async def fetchers(self, seconds: float) -> list[str]:
        """Return the fetchers whose libraries are installed, once they are imported, which takes about a second.

        Raises FetchFailed if that takes longer than so many seconds.
        """
        return (await self.run({"fetcher": "", "shortcode": "", "proxy": "", "seconds": seconds}, seconds))["fetchers"]

    async def run(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return a child's answer to the job. Raises FetchFailed when the time is up or the child ended without one.

        In either case nothing is left of the child, nor of what it started.
        """
        try:
            async with asyncio.timeout(seconds):
                # A second time if there was no child: the process may have been killed while it waited (out of memory).
                line = await self._ask(job) or await self._ask(job)
        except TimeoutError as error:
            raise FetchFailed(Failure.TIMEOUT, f"{job['fetcher']} had no answer within {seconds:.1f} s") from error
        try:
            return json.loads(line)
        except ValueError as error:
            raise FetchFailed(Failure.UNKNOWN, f"{job['fetcher']}: its process ended without an answer") from error

    async def stop(self) -> None:
        """End all of them."""
        self._stopped = True
        async with self._starting:
            for pid in list(self._running):
                _kill_group(pid)
            if self._jobs is not None:
                self._jobs.close()
            await self._end_parent()

    async def _ask(self, job: dict[str, Any]) -> bytes:
        """Return the line that a child answers with, empty if there is no child or it ended before."""
        await self.prepare()
        assert self._jobs is not None
        parent = self._parent
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._jobs, [json.dumps(job).encode()], [theirs.fileno()])
            except OSError as error:
                ours.close()
                self._log.warning("the fetching process takes no job (%s)", error)
                await self._replace(parent)
                return b""
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        pid = 0
        try:
            pid = int(await reader.readline() or 0)
            if not pid:
                await self._replace(parent)
                return b""
            self._running.add(pid)
            return await reader.readline()
        finally:
            if pid:
                # Also when it has ended by itself: a library may have started something, which is of its group.
                _kill_group(pid)
                self._running.discard(pid)
            writer.close()

    async def _replace(self, parent: asyncio.subprocess.Process | None) -> None:
        """End this process, which forked no child: the next job comes to another. Once, however many ask."""
        if self._parent is parent:
            await self._end_parent()

    async def _end_parent(self) -> None:
        if self._parent is not None:
            if self._parent.returncode is None:
                _kill_group(self._parent.pid)
            await self._parent.wait()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
