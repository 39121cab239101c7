"""`python -m lab.kubernetes`: builds the lab's cluster and the engine's provider for it, and says where they are."""

from __future__ import annotations

import sys

from lab.kubernetes import build, provider_build
from toolchain.errors import ToolchainError


def say(text: str) -> None:
    """Show how far it is."""
    print(text, flush=True)


if __name__ == "__main__":
    try:
        print(build.built() or build.build(say))
        print(provider_build.built() or provider_build.build(say))
    except ToolchainError as error:
        sys.exit(f"error: {error}")
