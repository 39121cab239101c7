"""Which versions the toolchain gets, and where things are. Standard library only: it is read before `.venv` exists."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What an engine on the PATH must be at least: the language protocol and flags used here were tried on this one.
ENGINE_FLOOR = (3, 259, 0)
# Another major version would be another command line.
ENGINE_CEILING = (4, 0, 0)
PYTHON_FLOOR = (3, 11)

# The one place of the engine's version: what is built, downloaded, asked for on the PATH and run in pull requests.
GO_MODULE_FILE = ROOT / "toolchain" / "pulumi" / "go.mod"
GO_SUM_FILE = ROOT / "toolchain" / "pulumi" / "go.sum"
LOCK_FILE = ROOT / "requirements.lock"

ENGINE_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"


def pinned_engine(module_file: Path = GO_MODULE_FILE) -> str:
    """Return the version of the engine that go.mod requires, as `3.250.0`."""
    found = re.search(
        r"^\s*(?:require )?github\.com/pulumi/pulumi/pkg/v3 v(\S+)", module_file.read_text(), re.MULTILINE
    )
    if found is None:
        raise ValueError(f"{module_file} does not require github.com/pulumi/pulumi/pkg/v3: restore it from git")
    return found[1]


ENGINE = pinned_engine()
LINKER_FLAGS = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{ENGINE}"

Version = tuple[int, ...]


def parse_version(text: str) -> Version | None:
    """Return the first dotted number in a text: `v3.259.0-dev`, `go1.25.11`, `go version go1.26 linux/amd64`."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return None if found is None else tuple(int(part or 0) for part in found.groups())


def go_floor(module_file: Path = GO_MODULE_FILE) -> Version:
    """Return the Go release that go.mod asks for."""
    found = re.search(r"^go (\S+)$", module_file.read_text(), re.MULTILINE)
    version = None if found is None else parse_version(found[1])
    if version is None:
        raise ValueError(f"{module_file} has no line `go <version>`: restore it from git")
    return version


def show(version: Version) -> str:
    """Return a version as it is written."""
    return ".".join(str(part) for part in version)


def build_key() -> str:
    """Name a build by what goes into it, so that a changed pin or flag builds anew."""
    parts = (GO_MODULE_FILE.read_bytes(), GO_SUM_FILE.read_bytes(), LINKER_FLAGS.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def cache_folder() -> Path:
    """Return where built and downloaded engines are kept for every clone: `$HEARTH_CACHE`, else the user's cache."""
    if chosen := os.environ.get("HEARTH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearth" / "toolchain"
