"""A resource as Pulumi keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field

from providers.errors import HearthError
from providers.plugin.values import Properties


@dataclass(frozen=True)
class State:
    """A resource as Pulumi keeps it. An empty id says that it is not there."""

    id: str
    outputs: Properties
    inputs: Properties = field(default_factory=Properties)


class HalfDone(HearthError):
    """A creation or an update that changed the machine and then failed: the state must remember it."""

    def __init__(self, error: HearthError, state: State) -> None:
        super().__init__(error.summary, detail=error.detail, remedy=error.remedy)
        self.state = state
