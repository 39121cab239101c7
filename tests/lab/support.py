"""Shared by the tests that need machines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from lab.docker.daemon import engine_answers, probe
from lab.docker.requirements import decide
from toolchain.waiting import wait_until


def until(answer: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """Ask again until the answer is true, for as long as a slow machine may take; the answer."""

    def late(last: Any) -> NoReturn:
        raise AssertionError(f"not within {seconds:g} s: {what} (the last answer: {last!r})")

    return wait_until(answer, seconds, late)


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
