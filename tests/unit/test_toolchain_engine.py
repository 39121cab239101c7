"""Which engine is taken, from where, and what is said when none can be had."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolchain import __main__ as command_line
from toolchain import apt, engine, gobuild, installer, versions
from toolchain.engine import Engine, OnPath, choose
from toolchain.errors import ToolchainError, UnavailableError
from toolchain.gobuild import Plan, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def silent(text: str) -> None:
    """Takes what is said, and drops it."""


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()


# The pins


def test_the_engine_is_pinned_to_the_same_version_in_both_places() -> None:
    text = versions.GO_MODULE_FILE.read_text()
    for module in ("pkg", "sdk"):
        assert re.findall(rf"^\s*github\.com/pulumi/pulumi/{module}/v3 (\S+)", text, re.MULTILINE) == [
            f"v{versions.ENGINE}"
        ]
    assert f"tool {versions.ENGINE_PACKAGE}\n" in text
    assert (versions.parse_version(versions.ENGINE) or ()) >= versions.ENGINE_FLOOR


def test_the_previews_of_pull_requests_run_the_same_engine() -> None:
    text = (versions.ROOT / ".github/workflows/preview.yml").read_text()
    assert set(re.findall(r"pulumi-version: (\S+)", text)) == {versions.ENGINE}


def test_renovate_finds_each_pin_by_the_comment_above_it() -> None:
    manager = json.loads((versions.ROOT / "renovate.json").read_text())["customManagers"][0]
    # Renovate writes named groups as JavaScript does.
    pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
    for file, package in (
        ("toolchain/versions.py", "github.com/pulumi/pulumi/pkg/v3"),
        (".github/workflows/preview.yml", "pulumi/pulumi"),
    ):
        found = [(m["depName"], m["currentValue"]) for m in pattern.finditer((versions.ROOT / file).read_text())]
        assert set(found) == {(package, versions.ENGINE)}, file


def test_a_build_is_named_by_what_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions.build_key()
    changed = tmp_path / "go.sum"
    changed.write_text(versions.GO_SUM_FILE.read_text() + "\n")
    monkeypatch.setattr(versions, "GO_SUM_FILE", changed)
    assert versions.build_key() != before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("v3.260.1-dev.4", (3, 260, 1)),
        ("1.26", (1, 26, 0)),
        ("no version", None),
    ],
)
def test_a_version_is_read_from_what_programs_print(text: str, expected: tuple[int, ...] | None) -> None:
    assert versions.parse_version(text) == expected


# The order


class FakeSource:
    """A way to an engine that is there, can be had, or is closed."""

    def __init__(self, name: str, *, there: bool = False, obtainable: bool = False) -> None:
        self.name = name
        self.there, self.obtainable, self.asked = there, obtainable, False

    def find(self) -> Engine | None:
        return Engine(Path(self.name), self.name, official=True) if self.there else None

    def obtain(self, say: Callable[[str], None]) -> Engine:
        self.asked = True
        if not self.obtainable:
            raise UnavailableError("closed")
        return Engine(Path(self.name), self.name, official=True)


@pytest.mark.parametrize(
    ("there", "obtainable", "chosen", "asked"),
    [
        ("path", "", "path", ""),
        ("path download build", "download build", "path", ""),
        ("build", "download", "build", ""),  # what is there asks no network
        ("download build", "", "download", ""),
        ("", "download build", "download", "path download"),
        ("", "build", "build", "path download build"),
    ],
)
def test_the_first_engine_that_is_there_is_taken_else_the_first_that_can_be_had(
    there: str, obtainable: str, chosen: str, asked: str
) -> None:
    names = ("path", "download", "build")
    sources = [FakeSource(n, there=n in there.split(), obtainable=n in obtainable.split()) for n in names]
    assert choose(sources, silent).origin == chosen
    assert " ".join(source.name for source in sources if source.asked) == asked


def test_with_no_way_open_one_message_names_each_reason_and_what_to_install() -> None:
    with pytest.raises(ToolchainError) as caught:
        choose([FakeSource("one way"), FakeSource("another way")], silent)
    message = str(caught.value)
    assert "one way: closed" in message
    assert "another way: closed" in message
    assert f"Install Pulumi {versions.ENGINE}" in message
    assert "make setup" in message


def test_a_machine_without_pulumi_network_go_and_apt_gets_one_message_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(installer.RELEASES_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setattr(gobuild, "find_go", lambda: None)
    monkeypatch.setattr(command_line, "enter_environment", lambda: None)
    monkeypatch.setattr(sys, "argv", ["toolchain", "setup"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: No Pulumi engine can be had on this machine")
    assert "Go is not installed" in shown.err
    assert "can't be reached" in shown.err
    assert "Traceback" not in shown.err + shown.out


# The PATH


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (f"echo v{versions.ENGINE}", True),
        ("echo v3.300.1", True),
        ("echo v3.258.9", False),
        ("echo v4.0.0", False),
        ("exit 1", False),
        ("echo hello", False),
    ],
)
def test_an_engine_on_the_path_is_taken_only_at_a_version_that_will_do(
    tmp_path: Path, answer: str, taken: bool
) -> None:
    script(tmp_path / "bin" / "pulumi", answer)
    assert (OnPath(f"{tmp_path}/bin:/nowhere").find() is not None) is taken


def test_our_own_launcher_on_the_path_is_not_taken_for_an_engine(tmp_path: Path) -> None:
    script(tmp_path / "clone" / "pulumi", f"# {engine.LAUNCHER_MARK}\necho v{versions.ENGINE}")
    real = script(tmp_path / "real" / "pulumi", f"echo v{versions.ENGINE}")
    found = OnPath(f"{tmp_path}/clone:{tmp_path}/real").find()
    assert found is not None
    assert found.path == real


def test_an_engine_with_its_own_language_host_is_official_and_one_without_is_not(tmp_path: Path) -> None:
    real = script(tmp_path / "opt" / "pulumi", f"echo v{versions.ENGINE}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(real)
    source = OnPath(str(tmp_path / "bin"))
    assert source.find() == Engine(tmp_path / "bin" / "pulumi", f"on the PATH, {versions.ENGINE}", official=False)
    script(tmp_path / "opt" / "pulumi-language-python", "exit 0")
    found = source.find()
    assert found is not None
    assert found.official


def test_an_engine_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    script(tmp_path / "pulumi", "echo v3.100.0")
    source = OnPath(str(tmp_path))
    assert source.find() is None
    with pytest.raises(UnavailableError, match=r"is 3\.100\.0; 3\.259\.0 up to 4\.0\.0 will do"):
        source.obtain(silent)


# The official installer


def release(content: str = "echo official") -> bytes:
    """An archive like Pulumi's."""
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
    """A folder that is served as Pulumi's releases."""
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
    """Puts an archive and its list of checksums into the mirror."""
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


# The build


NEEDED = (1, 25, 11)


@pytest.mark.parametrize(
    ("found", "can_install", "action"),
    [
        (None, True, "install"),
        (None, False, "none"),
        ((1, 25, 11), False, "use"),
        ((1, 26, 0), True, "use"),
        ((1, 24, 4), True, "self-update"),
        ((1, 21, 0), False, "self-update"),
        ((1, 19, 8), True, "fetch"),
        ((1, 12, 0), True, "none"),
    ],
)
def test_an_older_go_is_made_to_do_where_it_can(found: tuple[int, ...] | None, can_install: bool, action: str) -> None:
    decision: Plan = plan(found, NEEDED, can_install)
    assert decision.action == action
    assert (decision.reason == "") is (action == "use")


def fake_go(folder: Path, build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `go` that says it is new, and builds as told; `$out` is the file that was asked for."""
    find_out = 'while [ "$1" != -o ]; do shift; done; out=$2; mkdir -p "$(dirname "$out")"'
    go = script(
        folder / "go", f'case $1 in version) echo "go version go1.99.0 linux/amd64";; build) {find_out}; {build};; esac'
    )
    monkeypatch.setattr(gobuild, "find_go", lambda: str(go))


def test_a_build_is_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, f'echo once >> {tmp_path}/log; cp /bin/true "$out"', monkeypatch)
    said: list[str] = []
    assert gobuild.build(said.append) == gobuild.build(said.append) == gobuild.built()
    assert (tmp_path / "log").read_text() == "once\n"
    assert any("this takes some minutes" in line for line in said)


def test_a_build_sees_no_flags_of_the_user_and_leaves_checksums_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -insecure")
    fake_go(tmp_path, f'env > {tmp_path}/env; ls go.* > {tmp_path}/files; cp /bin/true "$out"', monkeypatch)
    gobuild.build(silent)
    seen = (tmp_path / "env").read_text().splitlines()
    assert {"GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "GOWORK=off", "GOTOOLCHAIN=local"} <= set(seen)
    assert not [line for line in seen if line.startswith(("GONOSUMDB", "GONOSUMCHECK", "GOSUMDB=off"))]
    assert (tmp_path / "files").read_text().split() == ["go.mod", "go.sum"]


def test_a_build_that_fails_shows_its_last_lines_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tmp_path, 'touch "$out"; echo "proxy: 403 not available" >&2; exit 1', monkeypatch)
    with pytest.raises(UnavailableError, match="`go build` ended with 1: proxy: 403 not available"):
        gobuild.build(silent)
    assert gobuild.built() is None
    assert {path.name for path in versions.cache_folder().iterdir()} == {"lock", "build.log"}


def test_a_long_build_says_now_and_then_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "HEARTBEAT_SECONDS", 0.05)
    fake_go(tmp_path, 'sleep 0.3; cp /bin/true "$out"', monkeypatch)
    said: list[str] = []
    gobuild.build(said.append)
    assert any(line.startswith("still building") for line in said)


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftover = versions.cache_folder() / ".build-killed"
    leftover.mkdir(parents=True)
    fake_go(tmp_path, 'cp /bin/true "$out"', monkeypatch)
    gobuild.build(silent)
    assert not leftover.exists()


def test_go_is_installed_with_apt_where_that_is_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(gobuild, "find_go", lambda: None)
    monkeypatch.setattr(apt, "can_install", lambda: True)

    def install(*packages: str) -> None:
        installed.extend(packages)
        fake_go(tmp_path, 'cp /bin/true "$out"', monkeypatch)

    monkeypatch.setattr(apt, "install", install)
    assert os.access(gobuild.build(silent), os.X_OK)
    assert installed == ["golang-go"]
