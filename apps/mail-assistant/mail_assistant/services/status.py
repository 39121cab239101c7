"""What a check of a service says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a service is."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    UNCONFIGURED = "unconfigured"
    MODEL_NOT_FOUND = "model_not_found"
    """The server of language models answers, and lacks the model that is wanted."""


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is, and in a sentence why."""

    status: Status
    detail: str = ""
    """For whoever looks at a page: tells nothing of what another machine answered."""
    reason: str = ""
    """For the log, where it says more than `detail`."""

    @property
    def for_log(self) -> str:
        """The reason, or what a page says where there is no other."""
        return self.reason or self.detail

    @classmethod
    def ok(cls, detail: str) -> ServiceStatus:
        return cls(Status.OK, detail)

    @classmethod
    def unreachable(cls, detail: str, reason: str = "") -> ServiceStatus:
        return cls(Status.UNREACHABLE, detail, reason)

    @classmethod
    def unconfigured(cls, detail: str) -> ServiceStatus:
        return cls(Status.UNCONFIGURED, detail)

    @classmethod
    def model_not_found(cls, detail: str) -> ServiceStatus:
        return cls(Status.MODEL_NOT_FOUND, detail)
