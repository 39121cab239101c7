"""What the core stack tells its checks."""

from __future__ import annotations

from collections.abc import Mapping

from components.system import Deployed, DeployedPart


class DeployedContainer(DeployedPart):
    """One container."""

    name: str
    memory: int
    """The most memory that it may use, in bytes."""


class DeployedCore(Deployed):
    """A core stack on a Docker host."""

    host: str
    """The machine: a key of `hearth:hosts`."""
    name: str
    """What names of containers and volumes begin with."""
    url: str
    """Where the pages are, as seen from the machine itself."""
    ai: bool
    start_timeout: int
    """Seconds that a container may take to become healthy."""
    containers: Mapping[str, DeployedContainer]
    """By service."""
    backup: str | None
    """The folder of the nightly dumps; None where there are none."""
