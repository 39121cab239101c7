"""What Dendrite is built from: its Go module, with the lock files of module/."""

from __future__ import annotations

from pathlib import Path

from lab.go_programs import GoPrograms

DENDRITE = GoPrograms(
    name="Dendrite",
    # renovate: datasource=go depName=github.com/matrix-org/dendrite
    version="0.13.8",
    source=Path(__file__).parent / "module",
    packages=("github.com/matrix-org/dendrite/cmd/dendrite",),
    minutes="two to three minutes",
)
