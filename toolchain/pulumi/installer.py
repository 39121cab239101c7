"""Downloads Pulumi's official release, pinned by version and held against the checksums published with it.

Source: https://www.pulumi.com/docs/install/versions/ (each release: an archive per platform and one list of SHA-256).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.errors import UnavailableError
from toolchain.lines import lines_in
from toolchain.locks import exclusive
from toolchain.versions import ENGINE, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

# A mirror of Pulumi's releases can be named instead.
RELEASES_VARIABLE = "HEARTH_PULUMI_RELEASES"
RELEASES = "https://get.pulumi.com/releases/sdk"
# How long an answer may take to begin, and to stay silent; a machine behind a wall must not wait long for nothing.
ANSWER_SECONDS = 5.0
ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}


def archive_name(system: str, machine: str) -> str:
    """Return the archive for a platform, as Pulumi names it."""
    if system not in SYSTEMS or machine not in ARCHITECTURES:
        raise UnavailableError(f"Pulumi publishes no release for {system} on {machine}")
    return f"pulumi-v{ENGINE}-{SYSTEMS[system]}-{ARCHITECTURES[machine]}.tar.gz"


def release_folder() -> Path:
    """Return where the release is kept."""
    return cache_folder() / f"pulumi-{ENGINE}-official"


def installed() -> Path | None:
    """Return the downloaded engine, if it is there."""
    path = release_folder() / "pulumi"
    return path if os.access(path, os.X_OK) else None


def expected_checksum(listing: str, archive: str) -> str:
    """Return the SHA-256 that the published list gives for an archive."""
    for line in lines_in(listing):
        digest, _, name = line.strip().partition(" ")
        if name.strip(" *") == archive:
            return digest.lower()
    raise UnavailableError(f"the published checksums don't name {archive}; nothing was installed")


def download(say: Callable[[str], None]) -> Path:
    """Fetch, check and unpack the release; either all of it is there afterwards or nothing."""
    archive = archive_name(platform.system(), platform.machine())
    base = os.environ.get(RELEASES_VARIABLE, RELEASES).rstrip("/")
    say(f"asking {base} for {archive}")
    listing = fetch(f"{base}/pulumi-{ENGINE}-checksums.txt").decode(errors="replace")
    expected = expected_checksum(listing, archive)
    content = fetch(f"{base}/{archive}")
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise UnavailableError(
            f"{archive} has SHA-256 {actual}, and {expected} is published for it; it was thrown away. "
            "If a second try says the same, something between here and Pulumi changes downloads"
        )
    with exclusive(cache_folder() / "lock", say):
        return installed() or unpack(content, release_folder())


def unpack(content: bytes, target: Path) -> Path:
    """Unpack the archive's `pulumi/` folder to the target in one step."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as folder:
        archive = Path(folder) / "archive.tar.gz"
        archive.write_bytes(content)
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:
                # Python before 3.11.4 has no filters; the checksum has vouched for the archive.
                tar.extractall(folder)
        if not os.access(Path(folder) / "pulumi" / "pulumi", os.X_OK):
            raise UnavailableError("the archive holds no executable pulumi/pulumi; nothing was installed")
        shutil.rmtree(target, ignore_errors=True)
        (Path(folder) / "pulumi").rename(target)
    return target / "pulumi"


def fetch(address: str) -> bytes:
    """Return the content at an address, or UnavailableError with the reason."""
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise UnavailableError(f"{address} answered {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(f"{address} can't be reached ({reason})") from error
