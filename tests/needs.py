"""Programs that only some computers have, which tests hold their texts against."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip a test, visibly, where a program is missing; not in CI, which installs them (.ci/run), so that it fails."""
    missing = shutil.which(program) is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(missing, reason=f"{program} is not here: apt install {package}")
