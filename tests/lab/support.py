"""Shared by the tests that need machines."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import pytest

from lab import Machine, Snapshot, difference
from lab.docker.daemon import engine_answers, probe
from lab.docker.requirements import decide
from toolchain.waiting import PAUSE_SECONDS, as_it_is, wait_until

SETTLE_SECONDS = 60.0


def until(answer: Callable[[], Any], what: str, seconds: float = 90, *, pause: float = PAUSE_SECONDS) -> Any:
    """Ask again until the answer is true, for as long as a slow machine may take; the answer.

    `pause` seconds go by between two: to answer may be work for the machine, too.
    """

    def late(last: Any) -> NoReturn:
        raise AssertionError(f"not within {seconds:g} s: {what} (the last answer: {last!r})")

    return wait_until(answer, seconds, late, pause=pause)


def lasting_difference(
    before: Snapshot, machine: Machine, also: Mapping[str, str] | None = None, *, but_for: Sequence[str] = ()
) -> list[str]:
    """Return what is otherwise than before for good: what still ends by itself, as a process does, has its time to.

    `also` adds exceptions, as for `difference`; lines that hold one of `but_for` count for nothing.
    """

    def look() -> list[str]:
        lines = difference(before, machine.snapshot(), also)
        return [line for line in lines if not any(place in line for place in but_for)]

    return wait_until(look, SETTLE_SECONDS, as_it_is, good=lambda lines: not lines, pause=3)


def free_port() -> int:
    """Return a port of loopback that nobody listens at, and that no outgoing connection gets meanwhile.

    Those have ports from 32768 on (Linux, ip_local_port_range).
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port


def journal(machine: Machine, words: str) -> str:
    """Return what journalctl says, once all is written down that was logged until now."""
    return machine.run(f"journalctl --sync; journalctl --no-pager --quiet {words}").stdout


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, visibly; where CI=true, fail it: there nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a skip elsewhere, a failure where CI=true)", pytrace=False)
    pytest.skip(reason)


def require(what: str) -> None:
    """Go on only if `what` is here: "lab" (Docker answers or can be started), "root", or a command's name."""
    if what == "root":
        if os.geteuid() != 0:
            skip_or_fail("this test needs root")
    elif what == "lab":
        if engine_answers():
            return
        refusals = decide(probe()).refusals
        if refusals:
            skip_or_fail("this test needs lab machines: " + " ".join(refusals))
    elif shutil.which(what) is None:
        skip_or_fail(f"this test needs the command {what}")
