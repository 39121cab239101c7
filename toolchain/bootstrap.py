"""Makes the virtual environment from requirements.lock. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from toolchain import apt
from toolchain.errors import ToolchainError
from toolchain.files import exclusive, write_whole
from toolchain.versions import PYTHON_FLOOR, cache_folder, show

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def stamp_file(environment: Path) -> Path:
    """Holds the checksum of the lock that the environment was made from."""
    return environment / "hearth" / "requirements.sha256"


def lock_checksum(lock: Path) -> str:
    """Names the content of a lock file."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def current(environment: Path, lock: Path) -> bool:
    """Whether the environment was made from this very lock, and its Python still starts."""
    stamp = stamp_file(environment)
    return stamp.is_file() and stamp.read_text().strip() == lock_checksum(lock) and works(environment)


def works(environment: Path) -> bool:
    """Whether the environment's Python starts and is new enough; a system upgrade can take it away."""
    python = environment / "bin" / "python"
    check = f"import sys; sys.exit(sys.version_info < {PYTHON_FLOOR})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def ensure_environment(environment: Path, lock: Path, say: Callable[[str], None]) -> bool:
    """Makes the environment right for the lock; says whether anything had to be done."""
    if current(environment, lock):
        return False
    if sys.version_info[:2] < PYTHON_FLOOR:
        raise ToolchainError(
            f"This is Python {show(sys.version_info[:3])}, and Hearth needs {show(PYTHON_FLOOR)} or later: "
            "install it, then run `make setup PYTHON=python3.11` (or whatever it is called)"
        )
    name = hashlib.sha256(str(environment).encode()).hexdigest()[:12]
    with exclusive(cache_folder() / f"environment-{name}.lock", say):
        if current(environment, lock):
            return True
        if not works(environment):
            ensure_venv_module(say)
            say(f"making {environment} with Python {show(sys.version_info[:3])}")
            run([sys.executable, "-m", "venv", "--clear", str(environment)])
        say(f"installing the packages of {lock.name}, each against its checksum")
        python = str(environment / "bin" / "python")
        run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-compile", "-r", str(lock)])
        # On all processors, where pip uses one. Some packages bring templates, which are no modules and don't compile.
        run([python, "-m", "compileall", "-q", "-j", "0", str(environment / "lib")], check=False)
        write_whole(stamp_file(environment), lock_checksum(lock) + "\n", 0o644)
    return True


def ensure_venv_module(say: Callable[[str], None]) -> None:
    """Debian packs the `venv` module apart from Python: installs it as root, else says how."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not apt.can_install():
        raise ToolchainError(
            f"Python's `venv` module is not installed. On Debian and Ubuntu: sudo apt-get install {package}"
        )
    say(f"installing {package} with apt")
    apt.install(package)


def run(command: list[str], *, check: bool = True) -> None:
    """Runs a command; with `check`, one that fails ends all with the end of its output."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if check and answer.returncode != 0:
        lines = (answer.stdout + answer.stderr).strip().splitlines()[-6:]
        raise ToolchainError("\n".join([f"`{' '.join(command)}` ended with {answer.returncode}:", *lines]))
