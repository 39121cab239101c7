"""For every test run: one seed for what is random, printed, and the same in all processes of the run."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Generator

import pytest
from hypothesis import settings

# No test fails on a time: these computers are shared. `make test` tries the same inputs each time, so that a failure is
# of the change and not of the day; the soak tries others, and more of them. What differs still: Hypothesis also tries
# texts that stand in our modules, of those that the process has loaded, and `make test` shares the files out anew.
settings.register_profile("test", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=1000, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("soak" if config.getoption("markexpr", "") == "soak" else "test")
    os.environ.setdefault("HEARTH_SEED", str(random.SystemRandom().randrange(10**6)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of the random moments: {os.environ['HEARTH_SEED']} (HEARTH_SEED=... repeats them)"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without the garbage collector, and have it pass over what was imported for them.

    There are a million objects that live as long as the run; looking through them again and again was a third of a
    collection, which each process does.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)  # few tests leave a circle behind: the default looks for one each 700 objects
        gc.enable()
