"""Builds Dendrite from its Go module, with the lock files of module/, and keeps it. Standard library only.

Go checks every module against go.sum and the public checksum database.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.locks import exclusive
from toolchain.pulumi.gobuild import ready_go, run_visibly
from toolchain.versions import cache_folder, go_floor

if TYPE_CHECKING:
    from collections.abc import Callable

# renovate: datasource=go depName=github.com/matrix-org/dendrite
DENDRITE = "0.13.8"
PACKAGE = "github.com/matrix-org/dendrite/cmd/dendrite"
SOURCE = Path(__file__).parent / "module"
LINKER_FLAGS = "-s -w"


def build_folder() -> Path:
    """Where this very build is kept: by what goes into it, so that a changed pin builds anew."""
    total = hashlib.sha256(LINKER_FLAGS.encode())
    for name in ("go.mod", "go.sum"):
        total.update(b"\0" + (SOURCE / name).read_bytes())
    return cache_folder() / f"dendrite-{DENDRITE}-{total.hexdigest()[:12]}"


def built() -> Path | None:
    """Return the program, if it is there."""
    path = build_folder() / "dendrite"
    return path if os.access(path, os.X_OK) else None


def build(say: Callable[[str], None]) -> Path:
    """Build it, in two to three minutes on two cores, once per pin. Either it is whole afterwards or not there.

    Raises UnavailableError.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    with exclusive(cache_folder() / "dendrite.lock", say):
        if (path := built()) is not None:
            return path
        go, environment = ready_go(say, go_floor(SOURCE / "go.mod"))
        say(f"building Dendrite {DENDRITE} with {go}: two to three minutes, once")
        for leftover in cache_folder().glob(".dendrite-build-*"):
            # A build that was killed; the lock says that nobody is at it now.
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".dendrite-build-") as name:
            # A copy, so that no build ever writes to the pinned files.
            work, out = Path(name) / "work", Path(name) / "out"
            shutil.copytree(SOURCE, work)
            out.mkdir()
            command = [go, "build", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(out / "dendrite"), PACKAGE]
            run_visibly(command, work, environment, say)
            shutil.rmtree(build_folder(), ignore_errors=True)
            out.rename(build_folder())
    return build_folder() / "dendrite"
