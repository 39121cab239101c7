"""Where the engine's own providers are, for tests that bring a system up as a user does."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
from pathlib import Path

import pytest

from toolchain.stack.environment import VIRTUAL_ENVIRONMENT


def plugins(*providers: str) -> Path:
    """Return the folder of Pulumi's plugins, if these providers are in it in the version that the SDKs ask for.

    Without them the test is skipped, where CI=true as well: they are downloads, from no package registry.
    """
    if missing := lacking(*providers):
        pytest.skip(f"this test needs a provider: pulumi plugin install resource {missing}")
    return pulumi_home() / "plugins"


def pulumi_home() -> Path:
    """Return where Pulumi keeps its plugins."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def lacking(*providers: str) -> str:
    """Return the first of these providers that is not installed, as `NAME VERSION`; empty if all are."""
    command = [str(VIRTUAL_ENVIRONMENT / "bin" / "pulumi"), "plugin", "ls", "--json"]
    environment = {**os.environ, "PULUMI_HOME": str(pulumi_home()), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    found = {(each["name"], each["version"]) for each in json.loads(answer.stdout)}
    wanted = [(name, importlib.metadata.version(f"pulumi-{name}")) for name in providers]
    return next((f"{name} {version}" for name, version in wanted if (name, version) not in found), "")
