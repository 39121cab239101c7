"""docs/adding-a-system.md, done as it says in a copy of the project: the sixth system comes up and is checked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain.versions import ROOT

DOCUMENT = (ROOT / "docs" / "adding-a-system.md").read_text()
PACKAGES = ("config", "components", "checks", "providers", "toolchain")
SUPPORT = ("tests/__init__.py", "tests/unit/__init__.py", "tests/unit/recording.py")
PROGRAM = """\
import asyncio, json, runpy
import pulumi
from pulumi.runtime import set_all_config
from tests.unit.recording import Recorder

set_all_config(
    {"hearth:hosts": json.dumps({"box": {}}), "hearth:motd": json.dumps({"host": "box"}),
     "hearth:motd-signature": "canary", "hearth:core-postgres-password": "another system's"},
    ["hearth:motd-signature", "hearth:core-postgres-password"],
)
recorder = Recorder(lambda *_: {})
recorder.run(lambda: runpy.run_path("__main__.py", run_name="__main__"))
for name, resource in recorder.resources.items():
    print(resource.type, name)
file = recorder.resources["motd-file"].inputs
assert file["host"] == "box" and file["path"] == "/etc/motd", file
assert "canary" in str(file["content"]), file
from config.systems import SYSTEMS
from checks.system import SystemChecks
checks = SYSTEMS["motd"].load_checks()
assert isinstance(checks, SystemChecks)
written = recorder.outputs["motd"]["deployed"]
assert checks.deployed.parse("motd", written).path == "/etc/motd", written
from checks.motd import check_greeting
from checks.result import Status
from providers.machine.session import Stat
class Box:
    machine = "box"
    async def stat(self, path, *, content=False, entries=False):
        return self.found
box = Box()
for text, status in ((b"Welcome.\\n", Status.PASS), (b"", Status.FAIL)):
    box.found = Stat("file", "0644", "root", "root", len(text), text)
    (row,) = asyncio.run(check_greeting(box, checks.deployed.parse("motd", written)))
    assert row.status is status, row
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return the project with the sixth system, as the page adds it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*SUPPORT, "__main__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for path, text in re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "components" / "motd" / "__init__.py").touch()
    table = tmp_path / "config" / "systems" / "__init__.py"
    imported, line = re.findall(r"```python\n(from config.systems.motd.*?)\n\n(    System.*?)\n```", DOCUMENT)[0]
    text = table.read_text()
    text = text.replace("\n_TABLE", f"{imported}\n\n_TABLE", 1)
    table.write_text(re.sub(r"(_TABLE = \(\n.*?)\n\)", rf"\1\n{line}\n)", text, count=1, flags=re.DOTALL))
    return tmp_path


def test_a_sixth_system_is_new_rooms_and_one_line(copy: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"hearth:motd:Greeting motd", "hearth:host:File motd-file"} <= set(done.stdout.splitlines())
    schema = subprocess.run(
        [sys.executable, "-m", "config", "table", "motd"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert "| `text` | `Welcome.` | What it says. |" in schema.stdout
