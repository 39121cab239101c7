"""Builds Dendrite from its Go module, with the lock files of module/, and keeps it. Standard library only.

Go checks every module against go.sum and the public checksum database.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.builds import kept_build, key_of
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
    """Return where this very build is kept."""
    return cache_folder() / f"dendrite-{DENDRITE}-{key_of(SOURCE, LINKER_FLAGS)}"


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
        with kept_build(build_folder(), "dendrite-build") as (work, out):
            shutil.copytree(SOURCE, work, dirs_exist_ok=True)
            command = [go, "build", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(out / "dendrite"), PACKAGE]
            run_visibly(command, work, environment, say)
    return build_folder() / "dendrite"
