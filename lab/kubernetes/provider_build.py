"""Builds Pulumi's Kubernetes provider from its Go module, for the engine to bring systems up on the lab's cluster.

Pulumi's own downloads are not on every network; the Go module proxy is. A release whose module is not there (4.26 and
later, up to the Python SDK's own) can't be built, so that this is an older one: 4.25, with an option less. Standard
library only.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.kubernetes.build import compile_programs, go_output
from toolchain.builds import kept_build, key_of
from toolchain.locks import exclusive
from toolchain.pulumi.gobuild import ready_go
from toolchain.versions import ROOT, cache_folder, go_floor

if TYPE_CHECKING:
    from collections.abc import Callable

# renovate: datasource=go depName=github.com/pulumi/pulumi-kubernetes/provider/v4
PROVIDER = "4.25.0"
MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
SOURCE = ROOT / "lab" / "kubernetes" / "provider"
PROGRAM = "pulumi-resource-kubernetes"
LINKER_FLAGS = f"-s -w -X {MODULE}/pkg/version.Version={PROVIDER}"
EMBEDDED = ("schema.json", "terraform-mapping.json")

# Of the provider's Go SDK it uses three small packages and one function of a fourth, which would bring 63 others.
SDK = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
SDK_PACKAGES = (".", "utilities", "helm/v4")
SDK_CHANGES = {"register.go": "yaml/v2/register.go"}


def build_key() -> str:
    """Name a build by what goes into it, so that a changed pin or flag builds anew."""
    return key_of(SOURCE, LINKER_FLAGS)


def build_folder() -> Path:
    """Return where this very build is kept."""
    return cache_folder() / f"kubernetes-provider-{PROVIDER}-{build_key()}"


def built() -> Path | None:
    """Return the provider's program, if it is there."""
    program = build_folder() / PROGRAM
    return program if os.access(program, os.X_OK) else None


def build(say: Callable[[str], None]) -> Path:
    """Build it: 50 s of processor, once per pin, where the cluster's programs were built before.

    Either it is whole afterwards or not there. Raises UnavailableError.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    # The cluster's own lock: both show how far they are in one file, and have libraries in common.
    with exclusive(cache_folder() / "kubernetes.lock", say):
        if (program := built()) is not None:
            return program
        begun = time.monotonic()
        go, environment = ready_go(say, go_floor(SOURCE / "go.mod"))
        say(f"building Pulumi's Kubernetes provider {PROVIDER} with {go}: a minute or two, once")
        with kept_build(build_folder(), "provider-build") as (work, out):
            shutil.copytree(SOURCE, work, dirs_exist_ok=True)
            _copy_sdk(_fetched(go, SDK, work / "sources", environment), work / "sdk")
            _write_embedded(_fetched(go, MODULE, work, environment), work)
            compile_programs(go, work, out / PROGRAM, ["."], LINKER_FLAGS, environment, say)
        say(f"Pulumi's Kubernetes provider: built in {time.monotonic() - begun:.0f} s, kept in {build_folder()}")
        return build_folder() / PROGRAM


def plugin_folder(version: str, say: Callable[[str], None]) -> Path:
    """Return a folder as the engine's own plugins/, with the provider in it as the release that an SDK asks for.

    The engine takes a plugin of that very version and no other; this is what `pulumi plugin install --file` would do.
    Built first where it is missing. Raises UnavailableError.
    """
    program = built() or build(say)
    folder = build_folder() / "plugins"
    plugin = folder / f"resource-kubernetes-v{version}"
    plugin.mkdir(parents=True, exist_ok=True)
    with exclusive(build_folder() / "plugins.lock", say):
        link = plugin / PROGRAM
        if not link.exists():
            link.hardlink_to(program)
    return folder


def _fetched(go: str, module: str, folder: Path, environment: dict[str, str]) -> Path:
    """Return where a module is that a folder's go.mod requires; Go has checked it."""
    return Path(json.loads(go_output([go, "mod", "download", "-json", module], folder, environment))["Dir"])


def _copy_sdk(module: Path, target: Path) -> None:
    """Copy what the provider uses of its SDK, with our own files in place of the rest."""
    packages = Path("go") / "kubernetes"
    for name in SDK_PACKAGES:
        (target / packages / name).mkdir(parents=True, exist_ok=True)
        for path in (module / packages / name).glob("*.go"):
            # Without the mode: Go's cache is read-only.
            shutil.copyfile(path, target / packages / name / path.name)
    for name, place in SDK_CHANGES.items():
        (target / packages / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / "changes" / name, target / packages / place)
    shutil.copyfile(module / "go.mod", target / "go.mod")


def _write_embedded(module: Path, target: Path) -> None:
    """Write what the provider tells of itself, as its own Makefile does: compact, and the schema with the version."""
    for name in EMBEDDED:
        content = json.loads((module / "cmd" / PROGRAM / name).read_text())
        if name == "schema.json":
            content["version"] = PROVIDER
        (target / name).write_text(json.dumps(content, separators=(",", ":")))
