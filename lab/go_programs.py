"""Programs that the lab builds from a Go module, with the lock files of a folder, and keeps for every clone.

Go checks every module against go.sum and the public checksum database. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import apt
from toolchain.builds import kept_build, key_of
from toolchain.errors import ToolchainError, UnavailableError
from toolchain.locks import exclusive
from toolchain.pulumi.gobuild import ready_go, run_visibly
from toolchain.versions import cache_folder, go_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LINKER_FLAGS = "-s -w"
C_COMPILER: Mapping[str, str] = {"/usr/bin/gcc": "gcc", "/usr/include/stdio.h": "libc6-dev"}
"""What every program that is written in C as well is built with: file, and the Debian package that has it."""


@dataclass(frozen=True)
class GoPrograms:
    """What is built together: `packages`, each a program, of the module whose go.mod and go.sum are in `source`.

    `minutes` says how long it takes on two cores. `tags` are Go's build tags. `headers` are files that the parts in
    C are built with, each with its Debian package; without any, nothing in C is built.
    """

    name: str
    version: str
    source: Path
    packages: tuple[str, ...]
    minutes: str
    tags: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where this very build is kept."""
        key = key_of(self.source, " ".join((LINKER_FLAGS, *self.tags)))
        return cache_folder() / f"{self.name.lower()}-{self.version}-{key}"

    def built(self) -> Path | None:
        """Return the folder of the programs, if they are there."""
        names = (package.rpartition("/")[2] for package in self.packages)
        return self.folder if all(os.access(self.folder / name, os.X_OK) for name in names) else None

    def build(self, say: Callable[[str], None]) -> Path:
        """Build them, once per pin, and return their folder. Either all are whole afterwards or none is there.

        Raises UnavailableError.
        """
        cache_folder().mkdir(parents=True, exist_ok=True)
        with exclusive(cache_folder() / f"{self.name.lower()}.lock", say):
            if (folder := self.built()) is not None:
                return folder
            self._get_headers(say)
            go, environment = ready_go(say, go_floor(self.source / "go.mod"))
            environment |= {"CGO_ENABLED": "1"} if self.headers else {}
            begun = time.monotonic()
            say(f"building {self.name} {self.version} with {go}: {self.minutes}, once")
            with kept_build(self.folder, f"{self.name.lower()}-build") as (work, out):
                shutil.copytree(self.source, work, dirs_exist_ok=True)
                command = [go, "build", "-trimpath", "-ldflags", LINKER_FLAGS, "-tags", ",".join(self.tags)]
                run_visibly([*command, "-o", f"{out}/", *self.packages], work, environment, say)
            say(f"{self.name} {self.version}: built in {time.monotonic() - begun:.0f} s, kept in {self.folder}")
        return self.folder

    def main(self) -> None:
        """Build them, if they are not there yet, and print where they are: what `python -m` runs."""
        try:
            print(self.built() or self.build(lambda text: print(text, flush=True)))
        except ToolchainError as error:
            sys.exit(f"error: {error}")

    def _get_headers(self, say: Callable[[str], None]) -> None:
        """Install what the parts in C lack on this computer."""
        wanted = {**C_COMPILER, **dict(self.headers)} if self.headers else {}
        missing = [package for path, package in wanted.items() if not Path(path).exists()]
        if missing and not apt.can_install():
            raise UnavailableError(
                f"{self.name} {self.version} is written in C as well, and this computer lacks {', '.join(missing)}; "
                f"nothing was built. As root: apt-get install {' '.join(missing)}"
            )
        if missing:
            say(f"{self.name} {self.version} is written in C as well; installing {', '.join(missing)}")
            apt.install(*missing)
