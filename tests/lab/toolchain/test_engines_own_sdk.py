"""Hearth with the Python SDK of the engine's own version: the registry's may be some versions behind.

The engine's module holds the SDK's source too, which is what the registry's packages are built from (ADR 60). Go checks
it against go.sum, as it does for the engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.conftest import MachineFactory
from tests.lab.project import Project
from tests.lab.support import skip_or_fail
from tests.lab.toolchain.trial import ready
from toolchain.errors import UnavailableError
from toolchain.pulumi.gobuild import ready_go
from toolchain.versions import ENGINE, GO_MODULE_FILE, ROOT

__all__ = ["ready"]

PROGRAM = """
pulumi.export("sdk", [str(pulumi._version.version), pulumi.__file__])
File("file", host="box", path="/etc/sdk.conf", content=pulumi.Output.secret("a secret"), mode="0600")
"""


@pytest.fixture
def sdk() -> Path:
    """Return the folder of the SDK's source in the engine's module."""
    try:
        go, environment = ready_go(print)
    except UnavailableError as error:
        skip_or_fail(f"Go is needed to get the SDK's source: {error}")
    module = f"github.com/pulumi/pulumi/sdk/v3@v{ENGINE}"
    command = [go, "mod", "download", "-json", module]
    done = subprocess.run(
        command, cwd=GO_MODULE_FILE.parent, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        skip_or_fail(f"the SDK's source can't be had: {done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"]) / "python" / "lib"


def test_program_and_provider_run_with_the_sdk_of_the_engines_version(
    sdk: Path, machine: MachineFactory, tmp_path: Path
) -> None:
    provider = tmp_path / "provider"
    provider.mkdir()
    python_path = f"{sdk}:{ROOT}"
    used = "import pulumi.provider.experimental as used; import sys; print(used.__file__, file=sys.stderr)"
    script = provider / "pulumi-resource-hearth"
    script.write_text(
        f"#!/bin/sh\nexport PYTHONPATH='{python_path}'\n{sys.executable} -c '{used}' 2>> {tmp_path}/used\n"
        f'exec {sys.executable} -m providers.plugin "$@"\n'
    )
    script.chmod(0o755)
    box = machine("box")
    project = Project(tmp_path / "project", box, provider=provider, python_path=python_path)
    project.program(PROGRAM)
    up = project.up()
    assert "warning" not in up.stdout
    assert project.workspace.outputs()["sdk"] == [ENGINE, f"{sdk}/pulumi/__init__.py"]
    assert {Path(line).is_relative_to(sdk) for line in (tmp_path / "used").read_text().split()} == {True}
    assert "a secret" not in json.dumps(project.workspace.state())
    box.run("chmod 0644 /etc/sdk.conf")
    assert "mode" in project.workspace.drift().stdout
    project.up("--refresh")
    assert project.workspace.drift().returncode == 0
    project.destroy()
    assert not box.exists("/etc/sdk.conf")
