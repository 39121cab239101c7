"""Where the engine's own providers are, for tests that bring a system up as a user does.

`python -m tests.lab.engine_providers` prints name and version of each, for who installs them.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.kubernetes import provider_build
from tests.lab.support import skip_or_fail
from toolchain.errors import UnavailableError
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT, defaults
from toolchain.versions import ROOT

REQUIRED = "HEARTH_PROVIDERS"
OFFICIAL = ("docker", "command", "kubernetes")
"""Pulumi's own providers that systems of Hearth need."""


def plugins(*providers: str) -> Path:
    """Return the folder of Pulumi's plugins, if these providers are in it in the version that the SDKs ask for.

    Without them the test is skipped, where CI=true as well: they are downloads, from no package registry. Where
    HEARTH_PROVIDERS is `required`, as in the workflow that installs them, it fails.
    """
    missing = ""
    for home in homes():
        if not (missing := lacking(home, *providers)):
            return home / "plugins"
    told = f"this test needs a provider: .venv/bin/pulumi plugin install resource {missing}"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(told, pytrace=False)
    pytest.skip(told)


def kubernetes_plugins() -> Path:
    """Return a folder of plugins with the Kubernetes provider: Pulumi's own where it is installed, else the lab's.

    That is built first where it is missing. Where it can't be built, the test is skipped; in CI it fails.
    """
    installed = any(not lacking(home, "kubernetes") for home in homes())
    if installed or os.environ.get(REQUIRED) == "required":
        return plugins("kubernetes")
    try:
        return provider_build.plugin_folder(importlib.metadata.version("pulumi-kubernetes"), print)
    except UnavailableError as error:
        skip_or_fail(f"this test needs Pulumi's Kubernetes provider: {error}")


def homes() -> list[Path]:
    """Return where Pulumi may keep its plugins: as PULUMI_HOME says, else as this clone's launcher or Pulumi itself."""
    if chosen := os.environ.get("PULUMI_HOME"):
        return [Path(chosen)]
    return [Path(defaults(ROOT, {})["PULUMI_HOME"]), Path.home() / ".pulumi"]


def lacking(home: Path, *providers: str) -> str:
    """Return the first of these providers that is not installed there, as `NAME VERSION`; empty if all are."""
    command = [str(VIRTUAL_ENVIRONMENT / "bin" / "pulumi"), "plugin", "ls", "--json"]
    environment = {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    found = {(each["name"], each["version"]) for each in json.loads(answer.stdout)}
    wanted = [(name, importlib.metadata.version(f"pulumi-{name}")) for name in providers]
    return next((f"{name} {version}" for name, version in wanted if (name, version) not in found), "")


if __name__ == "__main__":
    for each in OFFICIAL:
        print(each, importlib.metadata.version(f"pulumi-{each}"))
