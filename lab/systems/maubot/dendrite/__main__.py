"""`python -m lab.systems.maubot.dendrite`: builds Dendrite, if it is not there yet, and says where it is."""

from __future__ import annotations

import sys

from lab.systems.maubot.dendrite import build
from toolchain.errors import ToolchainError

if __name__ == "__main__":
    try:
        print(build.built() or build.build(lambda text: print(text, flush=True)))
    except ToolchainError as error:
        sys.exit(f"error: {error}")
