"""Installs what a bare Debian or Ubuntu lacks, as root. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess

from toolchain.errors import UnavailableError
from toolchain.lines import lines_in


def is_root() -> bool:
    """Return whether this process may install packages."""
    return os.geteuid() == 0


def can_install() -> bool:
    """Return whether packages can be installed here: root, and apt."""
    return is_root() and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, asking the archive for fresh lists only if the first try fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may hold the lock, as at a machine's first start: wait for it.
    base = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    command = [*base, "install", "--no-install-recommends", *packages]
    for attempt in (command, [*base, "update"], command):
        answer = subprocess.run(attempt, env=environment, capture_output=True, text=True, check=False)
        if attempt is command and answer.returncode == 0:
            return
    last = lines_in((answer.stdout + answer.stderr).strip())[-3:]
    raise UnavailableError(f"apt could not install {' '.join(packages)}: {' | '.join(last)}")
