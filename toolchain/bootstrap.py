"""Makes the virtual environment from requirements.lock. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import apt
from toolchain.errors import ToolchainError
from toolchain.files import write_whole
from toolchain.lines import lines_in
from toolchain.locks import exclusive
from toolchain.versions import PYTHON_FLOOR, cache_folder, show

if TYPE_CHECKING:
    from collections.abc import Callable


def stamp_file(environment: Path) -> Path:
    """Hold the checksum of the lock that the environment was made from."""
    return environment / "hearth" / "requirements.sha256"


def lock_checksum(lock: Path) -> str:
    """Name the content of a lock file."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def current(environment: Path, lock: Path) -> bool:
    """Return whether the environment was made from this very lock, and its Python still starts."""
    stamp = stamp_file(environment)
    return stamp.is_file() and stamp.read_text().strip() == lock_checksum(lock) and works(environment)


def works(environment: Path) -> bool:
    """Return whether the environment's Python starts and is new enough; a system upgrade can take it away."""
    python = environment / "bin" / "python"
    check = f"import sys; sys.exit(sys.version_info < {PYTHON_FLOOR})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def ensure_environment(environment: Path, lock: Path, say: Callable[[str], None]) -> bool:
    """Make the environment right for the lock, and return whether anything had to be done."""
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
        install(environment / "bin" / "python", lock, say)
        write_whole(stamp_file(environment), lock_checksum(lock) + "\n", 0o644)
    return True


def install(python: Path, lock: Path, say: Callable[[str], None]) -> None:
    """Install what the lock lists: with uv, which pip brings, or else with pip (slower).

    uv reads no pip.conf. Where pip knows the only way to the packages (a mirror, a proxy), pip goes it.
    """
    packages = ["--require-hashes", "-r", str(lock)]
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(entry_of("uv", lock.read_text()))
        try:
            if only_uv.stat().st_size == 0:
                raise ToolchainError(f"{lock.name} does not list uv")
            run([str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(only_uv)])
            run([str(python), "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", *packages])
        except ToolchainError as error:
            say(f"uv could not install them, so pip does: {lines_in(str(error))[-1].strip()}")
            run([str(python), "-m", "pip", "install", "--quiet", *packages])


def entry_of(name: str, lock: str) -> str:
    """Return the entry of one package in the text of a lock file, with its checksums; nothing where it is not in it."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n?", lock, re.MULTILINE)
    return found[0] if found else ""


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


def run(command: list[str]) -> None:
    """Run a command. Raises ToolchainError with the end of its output where it fails."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Caches and environments may lie on different file systems, where uv would warn that it copies.
    environment.setdefault("UV_LINK_MODE", "copy")
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if answer.returncode != 0:
        lines = lines_in((answer.stdout + answer.stderr).strip())[-6:]
        raise ToolchainError("\n".join([f"`{' '.join(command)}` ended with {answer.returncode}:", *lines]))
