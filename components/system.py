"""What every system's component is given, and what it hands over to its checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import pulumi
from pulumi import Input, Output
from pydantic import BaseModel, ConfigDict, ValidationError

from config.hosts import Machines
from config.mistakes import WrongSettings
from config.system import SystemSettings
from providers.errors import HearthError

SettingsT = TypeVar("SettingsT", bound=SystemSettings)


@dataclass(frozen=True)
class SystemArgs(Generic[SettingsT]):
    """What a system is made from: its settings, the machines, and its own secrets, no other system's."""

    settings: SettingsT
    machines: Machines = field(default_factory=lambda: Machines(hosts={}))
    secrets: Mapping[str, Input[str]] = field(default_factory=dict[str, Input[str]])
    """By key, as the settings' `SECRETS` lists them."""


class NotDeployable(WrongSettings, pulumi.RunError):
    """Settings that a preflight refuses, with every mistake; shown as those of the loader, without a traceback."""


class AnotherVersion(HearthError):
    """What a stack says of a system was written by another version of Hearth."""


class DeployedPart(BaseModel):
    """A part of what a component tells its checks; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Deployed(DeployedPart):
    """What a component tells its checks: the stack's output under the system's key. Nothing in it is secret.

    The component writes it with `output`, the checks read it with `parse`; so neither can mean another field.
    """

    @classmethod
    def output(cls, **fields: Input[Any]) -> Output[dict[str, Any]]:
        """Return the output, once every field is known.

        Raises pydantic's ValidationError where a field is missing or wrong, which is a mistake in the component.
        """
        return Output.all(**fields).apply(lambda found: cls.model_validate(found).model_dump(exclude_unset=True))

    @classmethod
    def parse(cls, key: str, written: Any) -> Self:
        """Return what the stack's output under `key` says.

        Raises AnotherVersion where a field is missing or unknown.
        """
        try:
            return cls.model_validate(written)
        except ValidationError as error:
            lines = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
            raise AnotherVersion(
                f"{key} was brought up by another version of Hearth, and what its state says can't be read by this one",
                detail="\n".join(lines),
                remedy="run `make up` (or `pulumi up`) with this version first; `make preview` shows what it changes",
            ) from None
