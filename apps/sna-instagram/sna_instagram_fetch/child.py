"""The program of the child processes: imports the libraries once, then forks a child for each job that comes.

The first process does nothing but wait: its stdin is a socket (SOCK_SEQPACKET), each message a job as JSON with the
descriptor of another socket. The forked child, leader of a group of its own, writes two lines there: its process ID,
and the answer. A job is {"fetcher", "shortcode", "proxy", "seconds"}; an answer {"post": …} or {"failure", "detail"},
and {"fetchers": […]} to a job that names no fetcher. The plugin kills the child's group at the deadline. Should the
plugin be gone, an alarm ends the child, and the closed socket the first process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from .failures import Failure, FetchFailed
from .post import Post

Fetch = Callable[[str, str, float], Post]

_JOB_BYTES = 64 * 1024


def main() -> None:
    """Serve jobs until the socket on stdin is closed."""
    # OpenSSL takes its authorities from here; requests and curl_cffi have names of their own for it.
    if authorities := os.environ.get("SSL_CERT_FILE"):
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["CURL_CA_BUNDLE"] = authorities
    fetchers = _fetchers()
    # Nobody waits for the children: the kernel is not to keep them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as jobs:
        while True:
            message, descriptors, _, _ = socket.recv_fds(jobs, _JOB_BYTES, 1)
            if not message:
                return
            if os.fork() == 0:
                jobs.close()
                _serve(message, descriptors[0], fetchers)
            for descriptor in descriptors:
                os.close(descriptor)


def _serve(message: bytes, descriptor: int, fetchers: dict[str, Fetch]) -> None:
    """Live the child's whole life. Never returns: what the parent was about to do is not the child's."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        job = json.loads(message)
        signal.setitimer(signal.ITIMER_REAL, float(job["seconds"]) + 1)
        with contextlib.suppress(OSError), os.fdopen(descriptor, "w", encoding="utf-8") as answer:
            print(os.getpid(), file=answer, flush=True)
            print(json.dumps(run(job, fetchers)), file=answer, flush=True)
    finally:
        os._exit(0)


def _fetchers() -> dict[str, Fetch]:
    """Return the fetchers whose libraries are installed, ready to go."""
    found: dict[str, Fetch] = {}
    try:
        from . import by_ytdlp

        by_ytdlp.prepare()
        found["yt-dlp"] = by_ytdlp.fetch
    except ImportError as error:
        print(f"yt-dlp or curl_cffi can't be imported: {error}", file=sys.stderr)
    try:
        from . import by_instaloader

        found["instaloader"] = by_instaloader.fetch
    except ImportError as error:
        print(f"instaloader can't be imported: {error}", file=sys.stderr)
    return found


def run(job: dict[str, Any], fetchers: dict[str, Fetch]) -> dict[str, Any]:
    """Return the answer to a job. Whatever goes wrong in a library is an answer too."""
    # Both spellings: programs differ in which they read. Nothing goes past the gate.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ[name] = os.environ[name.lower()] = job["proxy"]
    for name in ("NO_PROXY", "no_proxy"):
        os.environ.pop(name, None)
    if not job["fetcher"]:
        return {"fetchers": sorted(fetchers)}
    fetch = fetchers.get(job["fetcher"])
    if fetch is None:
        return {"failure": Failure.UNKNOWN, "detail": f"{job['fetcher']} is not installed for maubot's Python"}
    try:
        return {"post": fetch(job["shortcode"], job["proxy"], float(job["seconds"])).as_json()}
    except FetchFailed as failed:
        return {"failure": failed.failure, "detail": failed.detail[:2000]}
    except Exception as error:  # noqa: BLE001 - a library's own fault: the room is told, and the log says which
        return {"failure": Failure.UNKNOWN, "detail": f"{job['fetcher']}: {type(error).__name__}: {error}"[:2000]}
