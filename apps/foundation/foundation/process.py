"""How a process begins and ends without work that nobody needs: a pod that starts shares its node with others."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def loading() -> Generator[None]:
    """Load modules without a look for garbage in them: there is none, and looking takes a tenth of a start.

    What has been loaded is left out of every later look, too.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def leave(code: int) -> NoReturn:
    """End the process at once, when all that it had open is closed.

    Python would take everything apart first that was ever loaded, which takes a fourth of the time of loading it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
