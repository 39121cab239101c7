"""Builds that are kept for every clone: named by what goes into them, and whole or not there. Standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.versions import cache_folder

if TYPE_CHECKING:
    from collections.abc import Generator


def key_of(source: Path, linker_flags: str) -> str:
    """Name a build by its pinned files and the linker's flags, so that a changed pin or flag builds anew."""
    total = hashlib.sha256(linker_flags.encode())
    for path in sorted(source.rglob("*")):
        if path.is_file():
            total.update(b"\0" + str(path.relative_to(source)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


@contextlib.contextmanager
def kept_build(target: Path, name: str) -> Generator[tuple[Path, Path]]:
    """Yield a folder to build in and one for what comes of it, which is `target` once all went well.

    `name` tells the folders of one build from another's in the cache. The caller holds the build's lock.
    """
    for leftover in cache_folder().glob(f".{name}-*"):
        # A build that was killed; the lock says that nobody is at it now.
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=f".{name}-") as folder:
        # A folder apart, so that no build ever writes to the pinned files.
        work, out = Path(folder) / "work", Path(folder) / "out"
        work.mkdir()
        out.mkdir()
        yield work, out
        shutil.rmtree(target, ignore_errors=True)
        out.rename(target)
