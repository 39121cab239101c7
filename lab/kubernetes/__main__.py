"""`python -m lab.kubernetes`: builds what the lab's cluster runs, if it is not there yet, and says where it is."""

from __future__ import annotations

import sys

from lab.kubernetes import build
from toolchain.errors import ToolchainError

if __name__ == "__main__":
    try:
        print(build.built() or build.build(lambda text: print(text, flush=True)))
    except ToolchainError as error:
        sys.exit(f"error: {error}")
