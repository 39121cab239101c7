"""A group of members of an LXD cluster, for placing instances.

Manages the description and which members are in it. On destroy the group goes; one that was there gets back what it
had.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import things
from providers.kinds.lxd.api import Api, at
from providers.kinds.lxd.daemons import Daemon
from providers.machine.session import Session


class ClusterGroupInputs(Inputs):
    name: Annotated[things.ThingName, Field(description="Name of the group. A change replaces it.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    description: Annotated[str, Field(description="A word about it.")] = ""
    members: Annotated[list[str], Field(description="Names of its members, in any order.")] = []


class ClusterGroupFacts(Facts):
    description: str = ""
    members: list[str] = []


def facts_of(found: dict[str, Any] | None) -> ClusterGroupFacts:
    if found is None:
        return ClusterGroupFacts(present=False)
    return ClusterGroupFacts(present=True, description=found["description"], members=sorted(found["members"] or ()))


async def observe(session: Session, inputs: ClusterGroupInputs) -> ClusterGroupFacts:
    answer = await things.probe(session, inputs.daemon, "cluster", "groups", inputs.name)
    if isinstance(answer, str):
        return ClusterGroupFacts(present=True, description=answer)
    return facts_of(answer)


async def _put(api: Api, name: str, description: str, members: list[str]) -> None:
    found = await api.get("cluster", "groups", name)
    body = {"description": description, "members": sorted(members)}
    if found is None:
        await api.change("POST", at("cluster", "groups"), {"name": name, **body})
    else:
        await api.change("PUT", at("cluster", "groups", name), body)


async def apply(session: Session, inputs: ClusterGroupInputs, facts: ClusterGroupFacts) -> None:
    await _put(Api(session, inputs.daemon), inputs.name, inputs.description, inputs.members)


async def restore(session: Session, inputs: ClusterGroupInputs, before: ClusterGroupFacts) -> None:
    api = Api(session, inputs.daemon)
    found = await api.get("cluster", "groups", inputs.name)
    if found is None:
        return
    if before.present:
        there = {each["server_name"] for each in await api.members()}
        await _put(api, inputs.name, before.description, [name for name in before.members if name in there])
        return
    # A group with members is not removed; every member stays in `default`.
    await _put(api, inputs.name, inputs.description, [])
    await api.delete("cluster", "groups", inputs.name)


KIND = Kind(
    token="hearth:lxd:ClusterGroup",
    inputs=ClusterGroupInputs,
    facts=ClusterGroupFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: f"cluster-group/{inputs.name}",
    parse=things.parse("cluster-group"),
    locks=lambda inputs: (f"lxd:cluster-group:{inputs.name}",),
    differs=lambda name, wish, found: sorted(wish) != sorted(found) if name == "members" else bool(wish != found),
    deadline=120.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "cluster group delete", inputs.name),
)
