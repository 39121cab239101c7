"""What `pulumi install` does for a program in Python where the engine lacks its own host. Standard library only.

As Pulumi's documents have it ("Python", "Virtual environments"): what requirements.txt names is installed into the
environment that Pulumi.yaml names as `virtualenv`, which is made where it is not there. By uv, where this interpreter
has it beside it, else by pip: both say what they do. `language_host.py` runs this and passes its lines on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REQUIREMENTS = "requirements.txt"


def commands(folder: Path, virtualenv: str) -> list[list[str]]:
    """Return what is to be run, one after another."""
    environment = folder / virtualenv
    python = environment / "bin" / "python"
    made = [] if python.exists() else [[sys.executable, "-m", "venv", str(environment)]]
    uv = Path(sys.executable).with_name("uv")
    by_uv = [str(uv), "pip", "install", "--python", str(python), "--requirement", REQUIREMENTS]
    by_pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--requirement", REQUIREMENTS]
    return [*made, by_uv if uv.exists() else by_pip]


def main(arguments: Sequence[str]) -> int:
    """Install the packages of the project in the folder `arguments[0]` into its environment `arguments[1]`."""
    folder, virtualenv = Path(arguments[0]), arguments[1]
    if not (folder / REQUIREMENTS).is_file():
        print(f"{folder} has no {REQUIREMENTS}: there are no Python packages to install")
        return 0
    if not virtualenv:
        print("Pulumi.yaml names no environment to install into.")
        print("What to do: write `runtime: {name: python, options: {virtualenv: .venv}}` there")
        return 1
    for command in commands(folder, virtualenv):
        code = subprocess.run(command, cwd=folder, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
