"""What a check of a service says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a service is."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    UNCONFIGURED = "unconfigured"


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is, and in a sentence why."""

    status: Status
    detail: str = ""

    @classmethod
    def ok(cls, detail: str) -> ServiceStatus:
        return cls(Status.OK, detail)

    @classmethod
    def unreachable(cls, detail: str) -> ServiceStatus:
        return cls(Status.UNREACHABLE, detail)

    @classmethod
    def unconfigured(cls, detail: str) -> ServiceStatus:
        return cls(Status.UNCONFIGURED, detail)
