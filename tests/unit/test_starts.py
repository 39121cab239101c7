"""What each process imports before it is asked for anything: the engine starts several of them for every command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolchain.versions import ROOT


@pytest.mark.parametrize("module", ["providers.plugin.__main__", "toolchain.pulumi.language_host"])
def test_a_process_of_the_engine_starts_without_the_sdk(module: str):
    code = f"import sys, {module}; print({{name.split('.')[0] for name in sys.modules}} & {{'pulumi', 'asyncssh'}})"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
