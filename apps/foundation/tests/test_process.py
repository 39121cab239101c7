"""How a process begins and ends."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from foundation.process import loading

ENDS = """
import atexit
from foundation.process import leave

atexit.register(print, "taken apart")
print("the last line", end="")
leave(3)
"""


def test_what_is_loaded_is_left_out_of_every_later_look_for_garbage_which_goes_on() -> None:
    frozen = gc.get_freeze_count()
    try:
        with loading():
            assert not gc.isenabled()
            kept = [{} for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(kept)
    finally:
        gc.unfreeze()


def test_looking_for_garbage_goes_on_where_loading_failed() -> None:
    try:
        with pytest.raises(ImportError), loading():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_a_process_that_leaves_has_said_everything_and_ends_with_its_code_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "the last line")
