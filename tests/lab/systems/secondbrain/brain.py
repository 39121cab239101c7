"""What the tests of the SecondBrain host share that begin with the pod's first health and go on to the share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab import Machine, Service
from tests.lab.systems.secondbrain.stack import Stack

SHARE = "/mnt/PersonalAssistantHub"
SETTINGS: dict[str, Any] = {
    "data": "remove",
    "account": {"private-homes": ["backstage440"]},
    # Software emulates the processor.
    "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000, "start-timeout": 180},
    "share": {"server": "windows", "name": "PersonalAssistantHub"},
}
PATIENCE = 300  # seconds
PAUSE = 4.0
"""Seconds between two questions to podman: each is a second of a processor's time in software, and health is probed
every five seconds."""


@dataclass
class Brain:
    """The machine, its stack, and the Windows stand-in."""

    machine: Machine
    stack: Stack
    windows: Service

    def backend(self) -> list[str]:
        """Return the backend's id and its health, as the account's podman says."""
        form = "{{.Id}} {{.State.Health.Status}}"
        return self.stack.as_account(f"podman inspect --format '{form}' secondbrain-backend", check=False).split()

    def reads(self, file: str) -> str:
        """Return a file of the share, as the backend's container hands it out; its words if it can't."""
        return self.stack.as_account(f"podman exec secondbrain-backend cat {SHARE}/{file} 2>&1", check=False)
