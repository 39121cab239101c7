"""asyncssh, loaded without the compiler's help.

It looks for two libraries that it can do without, nettle and liboqs. Where the loader's own list lacks one, Python has
gcc and ld look for it, ten processes that take a fifth of the processor time of loading asyncssh.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["asyncssh"]


@contextmanager
def _without_programs() -> Generator[None]:
    """Find no program by its bare name; ldconfig, which prints the loader's list, has an absolute one."""
    path = os.environ.get("PATH")
    os.environ["PATH"] = os.devnull
    try:
        yield
    finally:
        if path is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = path


with _without_programs():
    import asyncssh
