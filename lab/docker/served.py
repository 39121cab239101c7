"""Runs in a lab's container, for as long as its standard input is open: one command a line, one answer a line, in JSON.

Standard library only, and sent as text: see lab/docker/inside.py.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

# What a command left behind may hold its output open; Docker waits for it so long, too.
LEFT_BEHIND_SECONDS = 2


def environment() -> dict[str, str]:
    """Return what this process was given: Python itself adds a locale where there is none."""
    given = Path("/proc/self/environ").read_bytes()
    pairs = [os.fsdecode(each).partition("=") for each in given.split(b"\0") if each]
    return {name: value for name, _, value in pairs}


def drain(pipe: "IO[bytes] | None", into: bytearray) -> None:
    """Read to the end."""
    assert pipe is not None
    while piece := os.read(pipe.fileno(), 1 << 16):
        into += piece


def feed(pipe: "IO[bytes] | None", data: bytes) -> None:
    """Write all of it, or as much as is taken."""
    assert pipe is not None
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(data)


def answer(words: "list[str]", data: bytes, given: "dict[str, str]") -> "dict[str, object]":
    """Run a command to its end, as `docker exec` would, with its exit codes."""
    out, err = bytearray(), bytearray()
    try:
        pipe = subprocess.PIPE
        child = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, env=given, start_new_session=True)
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        err += str(error).encode()
    else:
        threading.Thread(target=feed, args=(child.stdin, data), daemon=True).start()
        pairs = ((child.stdout, out), (child.stderr, err))
        readers = [threading.Thread(target=drain, args=pair, daemon=True) for pair in pairs]
        for each in readers:
            each.start()
        code = child.wait()
        end = time.monotonic() + LEFT_BEHIND_SECONDS
        for each in readers:
            each.join(max(end - time.monotonic(), 0))
        code = 128 - code if code < 0 else code
    texts = [base64.b64encode(bytes(each)).decode() for each in (out, err)]
    return {"returncode": code, "stdout": texts[0], "stderr": texts[1]}


def main() -> None:
    """Say that all is well, then serve."""
    given = environment()
    print("{}", flush=True)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        print(json.dumps(answer(asked["words"], base64.b64decode(asked["stdin"]), given)), flush=True)


main()
