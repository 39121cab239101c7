"""The worker as this side has it: how it is started, its requests and its answers.

The first line that the machine's python3 runs is short and has no quotes, newlines or exclamation marks of its own, so
that it means the same to every login shell (sh, bash, zsh, fish, tcsh); what it runs comes on its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Sequence
from importlib.resources import files
from typing import Any

from providers.errors import ConnectionLost, OperationRefused
from providers.machine.refusals import system_error
from providers.machine.ssh_library import asyncssh

READY = b"hearth worker: ready\n"
"""As in `worker`, which is not imported here: it is for machines."""
PING_INTERVAL = 5.0  # seconds
PRELUDE = 4096
"""Bytes kept of what came before the worker's first word: the last ones."""
BOOT = 'exec(open(0,"rb",0,closefd=False).readline())'
"""Reads a line from stdin and runs it; nothing of the worker stands in a process list but this."""
# Unbuffered, so that nothing of what follows is read too early.
_LOADER = """\
import os
n = int(b"".join(iter(lambda: os.read(0, 1).strip(), b"")))
s = b""
while len(s) < n:
    piece = os.read(0, n - len(s))
    if not piece:
        raise SystemExit("the connection ended early")
    s += piece
exec(compile(s, "hearth", "exec"))
"""
_PARTS = (
    "worker_metadata.py",
    "worker_files.py",
    "worker_turns.py",
    "worker_write.py",
    "worker_locks.py",
    "worker_run.py",
    "worker.py",
)
_OF_TREES = (
    "worker_tree_notes.py",
    "worker_tree_changes.py",
    "worker_tree_back.py",
    "worker_tree.py",
    "worker_tree_begin.py",
    "worker_tree_put.py",
)
"""What is sent to a worker when it is first asked for a `tree_...`."""


def source_of(parts: Sequence[str]) -> str:
    """Return the worker's files as one text, in which none need import another."""
    texts = [(files("providers.machine") / name).read_text() for name in parts]
    imports = re.compile(r"^from providers\.machine\.worker_\w+ import \(.*?^\)\n", re.MULTILINE | re.DOTALL)
    return "\n\n".join(imports.sub("", text) for text in texts)


SOURCE = source_of(_PARTS).encode()


def program(source: bytes = SOURCE) -> bytes:
    """Return what goes to the standard input of BOOT: a line that loads the worker, and the worker."""
    return f"exec({_LOADER!r})\n{len(source)}\n".encode() + source


class Worker:
    """One process on the machine. Requests are answered in order; several may be under way at once."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes], label: str) -> None:
        self._process = process
        self._label = label
        self._waiting: asyncio.Queue[asyncio.Future[dict[str, Any]]] = asyncio.Queue()
        self._unsent: list[bytes] = []
        self._reader = asyncio.create_task(self._read())
        self._pinger = asyncio.create_task(self._ping())
        self.lost = False
        self._knows_trees = False
        self.prelude = b""
        """What was said before the worker was there: by the login's start files, or instead of it."""

    async def call(self, op: str, /, **args: Any) -> Any:
        """Return the result of an operation.

        Raises HearthError where the worker refuses, ConnectionLost where it is gone.
        """
        return await self.ask(op, **args)

    def ask(self, op: str, /, **args: Any) -> Awaitable[Any]:
        """Send a request now, before any that comes after; return its result for awaiting, as `call` gives it."""
        if self.lost:
            raise ConnectionLost(f"the connection to {self._label} has dropped")
        if op.startswith("tree_") and not self._knows_trees:
            self._knows_trees = True
            self.tell("learn", text=source_of(_OF_TREES))
        return self._result(op, args, self._ask(op, args))

    async def _result(self, op: str, args: dict[str, Any], asked: asyncio.Future[dict[str, Any]]) -> Any:
        reply = await asked
        if "result" in reply:
            return reply["result"]
        path = f" {args['path']}" if "path" in args else ""
        what = f"{op.replace('_', ' ')}{path} on {self._label}"
        if "refused" in reply:
            raise OperationRefused(f"{what} was refused: {reply['refused']}", remedy=reply.get("remedy", ""))
        raise system_error(what, reply, whole=op in ("write", "symlink", "make_directory", "set_attributes"))

    def tell(self, op: str, **args: Any) -> None:
        """Have an operation done before whatever is asked next, without waiting for its answer."""
        if not self.lost:
            # What went wrong is looked at, or asyncio would complain that nobody did.
            self._ask(op, args).add_done_callback(lambda reply: reply.cancelled() or reply.exception())

    def _ask(self, op: str, args: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(future)
        self._send(json.dumps({"op": op, "args": args}).encode())
        return future

    def _send(self, data: bytes) -> None:
        """Send a request with all others of this turn of the loop and the next: a packet is what costs."""
        if not self._unsent:
            # One turn later: what is begun in this turn, as one of several at once, sends in the next.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._flush)
        self._unsent.append(b"%d\n" % len(data) + data)

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        with contextlib.suppress(OSError, asyncssh.Error):  # the reader notices, and tells those who wait
            self._process.stdin.write(data)

    async def _read(self) -> None:
        answers = _Answers(self._process.stdout)
        try:
            self.prelude = await answers.begin()
            while True:
                reply = json.loads(await answers.next())
                future = self._waiting.get_nowait()
                if not future.done():  # whoever asked may have given up
                    future.set_result(reply)
        except (OSError, asyncssh.Error, EOFError, ValueError, asyncio.QueueEmpty) as error:
            self.prelude = self.prelude or answers.rest
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.lost = True
        while not self._waiting.empty():
            future = self._waiting.get_nowait()
            if not future.done():
                future.set_exception(ConnectionLost(f"the connection to {self._label} has dropped", detail=why))

    async def _ping(self) -> None:
        while not self.lost:
            await asyncio.sleep(PING_INTERVAL)
            self._send(b"")

    def abandon(self) -> None:
        """Let go of it, whatever it is at: it ends by itself when that is done, and nobody waits for its answer."""
        self._pinger.cancel()
        self._reader.cancel()
        self._fail("it was given up")
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write_eof()
            self._process.close()


class _Answers:
    """The frames in a stream, once READY has come."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._got = bytearray()

    @property
    def rest(self) -> bytes:
        """What has come and was not taken."""
        return bytes(self._got[-PRELUDE:])

    async def begin(self) -> bytes:
        """Wait for READY; what came before it. A login may say anything, also without a newline at its end."""
        while (at := self._got.find(READY)) < 0:
            del self._got[: -PRELUDE - len(READY)]
            await self._more()
        prelude = bytes(self._got[:at])
        del self._got[: at + len(READY)]
        return prelude

    async def next(self) -> bytes:
        """Return the next frame."""
        while (at := self._got.find(b"\n")) < 0:
            await self._more()
        size, begin = int(self._got[:at]), at + 1
        while len(self._got) < begin + size:
            await self._more()
        frame = bytes(self._got[begin : begin + size])
        del self._got[: begin + size]
        return frame

    async def _more(self) -> None:
        piece: bytes = await self._stream.read(65536)
        if not piece:
            raise EOFError("it has ended")
        self._got += piece
