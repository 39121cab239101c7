"""What the checks of the core stack bound by seconds, for machines whose processor other tests have, too."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from checks.core import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

GENEROSITY = 5  # times what is asked of a machine that does nothing else


@pytest.fixture(scope="module", autouse=True)
def generous() -> Iterator[None]:
    """Give the application more time to answer; docs/benchmarks.md has what was measured."""
    with (
        mock.patch.object(stack, "HEALTH_SECONDS", stack.HEALTH_SECONDS * GENEROSITY),
        mock.patch.object(stack, "TEST_SECONDS", stack.TEST_SECONDS * GENEROSITY),
    ):
        yield
