"""Chooses Pulumi's engine: the one on the PATH, else the official installer's, else a build from Go modules.

What is there already is looked for in that order first, so that a set-up machine asks no network. Only then is one
obtained, in the same order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from toolchain.errors import ToolchainError, UnavailableError
from toolchain.pulumi import gobuild, installer
from toolchain.versions import ENGINE, ENGINE_CEILING, ENGINE_FLOOR, Version, parse_version, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# In the first lines of the launcher that `links` writes, so that it is never taken for an engine.
LAUNCHER_MARK = "hearth-toolchain-launcher"
LANGUAGE_HOST = "pulumi-language-python"


@dataclass(frozen=True)
class Engine:
    """An engine that can be started. `official` engines bring Pulumi's own Python language host."""

    path: Path
    origin: str
    official: bool


class Source(Protocol):
    """One way to an engine."""

    @property
    def name(self) -> str:
        """What it is, as the user reads it."""
        ...

    def find(self) -> Engine | None:
        """Return the engine, if it is there already."""
        ...

    def obtain(self, say: Callable[[str], None]) -> Engine:
        """Get the engine. Raises UnavailableError where this way is closed."""
        ...


def choose(sources: Sequence[Source], say: Callable[[str], None]) -> Engine:
    """Return the first engine that is there, else the first that can be had.

    Raises ToolchainError with every reason.
    """
    for source in sources:
        engine = source.find()
        if engine is not None:
            return engine
    reasons: list[str] = []
    for source in sources:
        try:
            return source.obtain(say)
        except UnavailableError as error:
            say(f"{source.name}: {error}")
            reasons.append(f"  {source.name}: {error}")
    heading = f"No Pulumi engine can be had on this machine, and Hearth needs version {ENGINE}:"
    remedy = (
        f"Install Pulumi {show(ENGINE_FLOOR)} or later on the PATH (https://www.pulumi.com/docs/install/), or "
        f"Go {show(gobuild.required())} or later with a way to the Go module proxy, then run `make setup` again."
    )
    raise ToolchainError("\n".join([heading, *reasons, remedy]))


def accepts(version: Version) -> bool:
    """Return whether an engine of this version will do."""
    return ENGINE_FLOOR <= version < ENGINE_CEILING


def candidates(search_path: str) -> Iterable[Path]:
    """Yield each executable `pulumi` on the PATH that is not one of our own launchers."""
    for folder in search_path.split(os.pathsep):
        found = shutil.which("pulumi", path=folder) if folder else None
        if found is not None and not is_launcher(Path(found)):
            yield Path(found)


def is_launcher(path: Path) -> bool:
    """Return whether a file is a launcher that `links` wrote, in this clone or another."""
    try:
        with path.open("rb") as file:
            return LAUNCHER_MARK.encode() in file.read(400)
    except OSError:
        return False


def engine_version(path: Path) -> Version | None:
    """Return what `pulumi version` answers, or None if it does not."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        result = subprocess.run(
            [path, "version"], capture_output=True, text=True, timeout=30, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(result.stdout)


class OnPath:
    """An engine that the machine's owner installed."""

    name = "pulumi on the PATH"

    def __init__(self, search_path: str | None = None) -> None:
        self._search_path = os.environ.get("PATH", "") if search_path is None else search_path
        self._reason = "none is there"

    def find(self) -> Engine | None:
        """Return the first on the PATH of a version that will do."""
        for path in candidates(self._search_path):
            version = engine_version(path)
            if version is not None and accepts(version):
                beside = path.resolve().parent / LANGUAGE_HOST
                official = beside.exists() or has_official_host(self._search_path)
                return Engine(path, f"on the PATH, {show(version)}", official)
            found = "does not answer `pulumi version`" if version is None else f"is {show(version)}"
            self._reason = f"{path} {found}; {show(ENGINE_FLOOR)} up to {show(ENGINE_CEILING)} will do"
        return None

    def obtain(self, say: Callable[[str], None]) -> Engine:
        """Put nothing on the PATH for anybody."""
        raise UnavailableError(self._reason)


def has_official_host(search_path: str) -> bool:
    """Return whether a Python language host other than ours is on the PATH."""
    folders = search_path.split(os.pathsep)
    found = [shutil.which(LANGUAGE_HOST, path=folder) for folder in folders if folder]
    return any(path is not None and not is_launcher(Path(path)) for path in found)


class OfficialInstaller:
    """Pulumi's own release, pinned and checked."""

    name = "the official installer"

    def find(self) -> Engine | None:
        """Return the release, if it was downloaded before."""
        path = installer.installed()
        return None if path is None else Engine(path, f"official release {ENGINE}", official=True)

    def obtain(self, say: Callable[[str], None]) -> Engine:
        """Download it."""
        return Engine(installer.download(say), f"official release {ENGINE}", official=True)


class GoModules:
    """A build of the pinned engine from the Go module proxy. It lacks the Python language host."""

    name = "a build from Go modules"

    def find(self) -> Engine | None:
        """Return the engine, if these very modules were built before."""
        path = gobuild.built()
        return None if path is None else Engine(path, f"built from Go modules, {ENGINE}", official=False)

    def obtain(self, say: Callable[[str], None]) -> Engine:
        """Build it."""
        return Engine(gobuild.build(say), f"built from Go modules, {ENGINE}", official=False)


def default_sources() -> list[Source]:
    """Return the order that the design gives."""
    return [OnPath(), OfficialInstaller(), GoModules()]
