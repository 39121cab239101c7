"""Machines to try and test on, made on this one out of containers that run systemd and sshd. See docs/lab.md."""

from lab.errors import EngineError, LabError, RequirementError
from lab.lab import Lab
from lab.machine import Machine
from lab.service import LabShare, Service
from lab.snapshot import Snapshot, difference

__all__ = [
    "EngineError",
    "Lab",
    "LabError",
    "LabShare",
    "Machine",
    "RequirementError",
    "Service",
    "Snapshot",
    "difference",
]
