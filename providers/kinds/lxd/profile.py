"""A profile of an LXD cluster: configuration and devices that instances share.

Manages the keys and the devices that are given, and the description. Keys and devices of others stay. A profile that
was there before (`default` always is) gets back on destroy what it had; one that instances still use stays, with a
warning.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import things
from providers.kinds.lxd.daemons import Daemon
from providers.kinds.lxd.ours import Config, ConfigInput, Devices
from providers.machine.session import Session


class ProfileInputs(Inputs):
    name: Annotated[things.ThingName, Field(description="Name of the profile. A change replaces it.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    description: Annotated[str, Field(description="A word about it.")] = ""
    config: Annotated[ConfigInput, Field(description="LXD's keys and their values, as limits.memory: 2GiB.")] = {}
    devices: Annotated[Devices, Field(description="Devices by name, each with its keys: type and so on.")] = {}


class ProfileFacts(Facts):
    description: str = ""
    config: Config = {}
    devices: Devices = {}
    whole: things.Whole = Field(default=None, description="All that a PUT takes, to put back what was there before.")


def facts_of(inputs: ProfileInputs, found: dict[str, Any] | None) -> ProfileFacts:
    if found is None:
        return ProfileFacts(present=False)
    part = things.compared(found, inputs.config, inputs.devices)
    whole = {key: found.get(key) for key in ("description", "config", "devices")}
    return ProfileFacts(present=True, description=found["description"], whole=whole, **part)


async def observe(session: Session, inputs: ProfileInputs) -> ProfileFacts:
    answer = await things.probe(session, inputs.daemon, "profiles", inputs.name)
    if isinstance(answer, str):
        return ProfileFacts(present=True, description=answer)
    return facts_of(inputs, answer)


async def apply(session: Session, inputs: ProfileInputs, facts: ProfileFacts) -> None:
    await things.put(session, inputs.daemon, "profiles", inputs.name, inputs.description, inputs.config, inputs.devices)


async def restore(session: Session, inputs: ProfileInputs, before: ProfileFacts) -> None:
    await things.put_back(session, inputs.daemon, "profiles", inputs.name, before.whole if before.present else None)


KIND = Kind(
    token="hearth:lxd:Profile",
    inputs=ProfileInputs,
    facts=ProfileFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: f"profile/{inputs.name}",
    parse=things.parse("profile"),
    locks=lambda inputs: (f"lxd:profile:{inputs.name}",),
    deadline=120.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "profile delete", inputs.name),
)
