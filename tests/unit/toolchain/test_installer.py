"""The official release of the engine: downloaded, checked, kept."""

from __future__ import annotations

import hashlib
import http.server
import io
import subprocess
import tarfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.toolchain.helpers import own_cache, silent
from toolchain import versions
from toolchain.errors import UnavailableError
from toolchain.pulumi import engine, installer
from toolchain.pulumi.engine import choose

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["own_cache"]


def release(content: str = "echo official") -> bytes:
    """Return an archive like Pulumi's."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in ("pulumi", "pulumi-language-python"):
            data = f"#!/bin/sh\n{content}\n".encode()
            entry = tarfile.TarInfo(f"pulumi/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder that is served as Pulumi's releases."""
    folder = tmp_path / "releases"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv(installer.RELEASES_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(installer.platform, "system", lambda: "Linux")
    monkeypatch.setattr(installer.platform, "machine", lambda: "x86_64")
    yield folder
    server.shutdown()
    server.server_close()


ARCHIVE = f"pulumi-v{versions.ENGINE}-linux-x64.tar.gz"


def publish(folder: Path, content: bytes, digest: str | None = None, name: str = ARCHIVE) -> None:
    """Put an archive and its list of checksums into the mirror."""
    (folder / ARCHIVE).write_bytes(content)
    listed = digest or hashlib.sha256(content).hexdigest()
    (folder / f"pulumi-{versions.ENGINE}-checksums.txt").write_text(f"{listed}  {name}\n")


def test_the_official_release_is_installed_once_and_found_again(mirror: Path) -> None:
    publish(mirror, release())
    path = installer.download(silent)
    assert subprocess.run([path], capture_output=True, text=True, check=True).stdout == "official\n"
    assert (path.parent / "pulumi-language-python").exists()
    for file in mirror.iterdir():
        file.unlink()
    assert installer.installed() == path
    assert choose([engine.OfficialInstaller()], silent).official


def test_an_archive_with_another_checksum_than_published_is_thrown_away(mirror: Path) -> None:
    publish(mirror, release(), digest="0" * 64)
    with pytest.raises(UnavailableError, match="is published for it; it was thrown away"):
        installer.download(silent)
    assert installer.installed() is None


def test_an_archive_that_the_checksums_do_not_name_is_not_installed(mirror: Path) -> None:
    publish(mirror, release(), name="another.tar.gz")
    with pytest.raises(UnavailableError, match="don't name"):
        installer.download(silent)


def test_a_release_that_is_not_published_is_reported_with_the_answer(mirror: Path) -> None:
    assert not list(mirror.iterdir())
    with pytest.raises(UnavailableError, match=r"checksums\.txt answered 404"):
        installer.download(silent)


def test_a_platform_without_a_release_is_named() -> None:
    with pytest.raises(UnavailableError, match="no release for Plan9 on mips"):
        installer.archive_name("Plan9", "mips")
