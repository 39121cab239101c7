"""Builds the pinned engine from Go modules, with go.mod and go.sum of this folder, and keeps it for every clone."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import apt
from toolchain.builds import kept_build
from toolchain.errors import UnavailableError
from toolchain.lines import lines_in
from toolchain.locks import exclusive
from toolchain.versions import (
    ENGINE,
    ENGINE_PACKAGE,
    GO_MODULE_FILE,
    GO_SUM_FILE,
    LINKER_FLAGS,
    Version,
    build_key,
    cache_folder,
    go_floor,
    parse_version,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The first Go that can fetch a newer Go by itself (https://go.dev/doc/toolchain).
SELF_UPDATING = (1, 21, 0)
# The first that can fetch a module with `-json` and check it against the public checksum database.
CHECKING = (1, 13, 0)
HEARTBEAT_SECONDS = 30.0
DEADLINE_SECONDS = 45 * 60.0
# Where Go's own archive and Debian's versioned packages put it.
USUAL_PLACES = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")


@dataclass(frozen=True)
class GoPlan:
    """How to come by a Go that is new enough: as it is, with a newer one it fetches, or with one fetched for it."""

    action: str  # "use", "self-update", "fetch", "install" or "none"
    reason: str = ""


def plan(found: Version | None, needed: Version, can_install: bool) -> GoPlan:
    """Return what to do about Go, given the version found and whether a package can be installed."""
    if found is None:
        return GoPlan("install" if can_install else "none", "Go is not installed")
    if found >= needed:
        return GoPlan("use")
    if found >= SELF_UPDATING:
        return GoPlan("self-update", f"Go {show(found)} is older than {show(needed)}")
    if found >= CHECKING:
        return GoPlan("fetch", f"Go {show(found)} is too old to update itself")
    return GoPlan("none", f"Go {show(found)} is too old; {show(needed)} is needed")


def required() -> Version:
    """Return the Go release that the engine's modules ask for."""
    return go_floor()


def build_folder() -> Path:
    """Return where this very build is kept."""
    return cache_folder() / f"pulumi-{ENGINE}-{build_key()}"


def built() -> Path | None:
    """Return the built engine, if it is there."""
    path = build_folder() / "pulumi"
    return path if os.access(path, os.X_OK) else None


def build(say: Callable[[str], None]) -> Path:
    """Build the engine: 5 to 8 minutes on two cores, once per pin. Either it is whole afterwards or not there."""
    with exclusive(cache_folder() / "lock", say):
        if (path := built()) is not None:
            return path
        go, environment = ready_go(say)
        target = build_folder()
        say(f"building Pulumi {ENGINE} with {go}; this takes some minutes, once")
        with kept_build(target, "build") as (work, out):
            for file in (GO_MODULE_FILE, GO_SUM_FILE):
                shutil.copy(file, work)
            arguments = [go, "build", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(out / "pulumi"), ENGINE_PACKAGE]
            run_visibly(arguments, work, environment, say)
    return target / "pulumi"


def ready_go(say: Callable[[str], None], needed: Version | None = None) -> tuple[str, dict[str, str]]:
    """Return a Go that is new enough (for the engine, unless told for what), and the environment to run it in."""
    needed = needed or required()
    go = find_go()
    decision = plan(go_version(go), needed, apt.can_install())
    if decision.action == "install":
        say("Go is not installed; installing golang-go with apt")
        apt.install("golang-go")
        go = find_go()
        decision = plan(go_version(go), needed, can_install=False)
    if go is None or decision.action == "none":
        raise UnavailableError(decision.reason)
    environment = go_environment()
    if decision.action == "self-update":
        say(f"{decision.reason}; it fetches {show(needed)} from the module proxy")
        environment["GOTOOLCHAIN"] = f"go{show(needed)}"
    if decision.action == "fetch":
        say(f"{decision.reason}; fetching {show(needed)} from the module proxy with it")
        go = fetch_go(go, environment, needed)
    return go, environment


def go_environment() -> dict[str, str]:
    """Return the user's proxy and checksum settings, and nothing that would change what is built."""
    dropped = ("GOFLAGS", "GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    # The home folder may be unset where a service runs this; Go needs a place for its caches.
    kept.setdefault("HOME", str(Path.home()))
    return {**kept, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}


def find_go() -> str | None:
    """Return the `go` on the PATH, else where it usually is."""
    debian = sorted(Path("/usr/lib").glob("go-1.*/bin/go"), key=lambda p: parse_version(str(p)) or (), reverse=True)
    places = [shutil.which("go"), *USUAL_PLACES, *map(str, debian)]
    return next((place for place in places if place and os.access(place, os.X_OK)), None)


def go_version(go: str | None) -> Version | None:
    """Return the version of an installed Go itself, not of one that it would fetch."""
    if go is None:
        return None
    command = [go, "version"]
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    # "go version go1.26.8 linux/amd64"
    return parse_version(answer.stdout.partition("version go")[2])


def fetch_go(go: str, environment: dict[str, str], needed: Version) -> str:
    """Fetch a newer Go, as the module that Go itself would use, and make it ready as Go itself would.

    The module zip carries neither executable bits nor files called go.mod (they are `_go.mod`); see
    cmd/go/internal/toolchain in Go's source. `go mod download` has checked it against the checksum database.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    module = f"golang.org/toolchain@v0.0.1-go{show(needed)}.{platform.system().lower()}-{machine}"
    modules = cache_folder() / "go"
    settings = {**environment, "GOMODCACHE": str(modules), "GOFLAGS": "-modcacherw"}
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [go, "mod", "download", module], cwd=folder, env=settings, capture_output=True, text=True, check=False
        )
    if answer.returncode != 0:
        raise UnavailableError(f"Go {show(needed)} can't be fetched: {last_lines(answer.stdout + answer.stderr)}")
    root = modules / module
    for path in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
        path.chmod(0o755)
    for path in root.rglob("_go.mod"):
        path.rename(path.with_name("go.mod"))
    return str(root / "bin" / "go")


def run_visibly(
    arguments: list[str], folder: Path, environment: dict[str, str], say: Callable[[str], None], packages: int = 0
) -> None:
    """Run the build, say now and then that it lives, and show the end of its output if it fails.

    With `packages` (how many it may have to compile) and `-v` among the arguments, it says how far it is.
    """
    # Two builds may run at once: of the engine, and of what the lab's cluster runs.
    log = cache_folder() / ("build.log" if not packages else "build-kubernetes.log")
    begun = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    code = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    passed = time.monotonic() - begun
                    done = f", {len(lines_in(log.read_text()))} of at most {packages} packages" if packages else ""
                    say(f"still building, {passed:.0f} s{done}")
                    if passed > DEADLINE_SECONDS:
                        raise UnavailableError(f"the build took more than {passed:.0f} s; its output: {log}") from None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        raise UnavailableError(f"`go build` ended with {code}: {last_lines(log.read_text())} (all of it: {log})")


def last_lines(text: str, count: int = 4) -> str:
    """Return the end of a command's output, on one line."""
    return " | ".join(line.strip() for line in lines_in(text.strip())[-count:])
