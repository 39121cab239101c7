"""What each process imports before it is asked for anything: the engine starts several of them for every command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolchain.versions import ROOT


@pytest.mark.parametrize("module", ["providers.plugin.process", "toolchain.pulumi.language_host"])
def test_a_process_of_the_engine_starts_without_the_sdk(module: str):
    code = f"import sys, {module}; print({{name.split('.')[0] for name in sys.modules}} & {{'pulumi', 'asyncssh'}})"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_settings_make_no_model_of_a_system_that_is_not_deployed():
    code = (
        "import sys, config.loader; from config.systems import SYSTEMS; "
        "print([key for key, system in SYSTEMS.items() if system.settings.__pydantic_complete__], "
        "{name.split('.')[0] for name in sys.modules} & {'cryptography', 'asyncssh', 'pulumi_kubernetes'})"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[] set()"
