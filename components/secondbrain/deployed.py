"""What a SecondBrain host tells its checks."""

from __future__ import annotations

from collections.abc import Sequence

from components.system import Deployed, DeployedPart


class DeployedShare(DeployedPart):
    """The Windows share."""

    server: str
    name: str
    port: int | None = None
    mount_point: str
    credentials_file: str


class DeployedSecondBrain(Deployed):
    """A SecondBrain host."""

    host: str
    """The machine: a key of `hearth:hosts`."""
    manager: str
    """`quadlet` or `podmgr`."""
    account: str
    account_uid: int
    account_home: str
    subordinate_range: str
    """The account's subordinate ids, as START:COUNT."""
    pod: str
    units: Sequence[str]
    """The services that make up the pod, of the account's own manager; empty under podmgr."""
    start_timeout: int
    """Seconds that the containers may take to become healthy."""
    health_interval: int
    """Seconds between two health checks of a container."""
    backend_url: str
    health_path: str
    ollama_url: str | None
    """None where ollama is not published."""
    share: DeployedShare | None
    """None where the settings have no share."""
