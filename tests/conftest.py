"""For every test run: one seed for what is random, printed, and the same in all processes of the run."""

from __future__ import annotations

import os
import random

import pytest


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("HEARTH_SEED", str(random.SystemRandom().randrange(10**6)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of the random moments: {os.environ['HEARTH_SEED']} (HEARTH_SEED=... repeats them)"
