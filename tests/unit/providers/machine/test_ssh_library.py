"""What loading asyncssh starts: nothing but what reads the loader's own list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from toolchain.versions import ROOT

ASKED = """
import os, providers.machine.connection
print(os.environ["PATH"])
"""


def test_loading_it_starts_no_compiler_and_the_path_is_as_before(tmp_path: Path):
    for name in ("gcc", "cc", "ld"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == environment["PATH"]
    assert not (tmp_path / "started").exists()
