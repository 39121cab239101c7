"""Versions of podman: how they are written, and the first that will do."""

from __future__ import annotations

import re

LOWEST = (4, 6)
"""The first whose `podman wait` knows `--condition=healthy` (its release notes); Quadlet itself came with 4.4."""
_VERSION = r"v?(?P<major>[0-9]{1,3})\.(?P<minor>[0-9]{1,3})(\.[0-9]{1,3})?([-+~][A-Za-z0-9.+~-]{1,64})?"


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor version of `5.4`, `5.10.1-rc1` or `podman version 5.4.2`; None where it is no version."""
    found = re.fullmatch(rf"(podman version )?{_VERSION}", text.strip())
    return (int(found["major"]), int(found["minor"])) if found else None
