"""A network that LXD makes on every member of a cluster: a bridge with addresses, names, and NAT.

Manages the description and the keys that are given. Keys that LXD chose by itself stay as they are. On destroy a
network of Hearth's goes, unless something still uses it; one that was there gets back what it had.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import everywhere, things
from providers.kinds.lxd.daemons import Daemon
from providers.kinds.lxd.ours import Config, ConfigInput
from providers.machine.session import Session


def _link_name(value: str) -> str:
    if not 1 <= len(value) <= 15 or any(not (c.isalnum() or c in "_.-") or not c.isascii() for c in value):
        raise ValueError("must be a network interface's name: up to 15 letters, digits, '-', '_' and '.'")
    return value


class NetworkInputs(Inputs):
    name: Annotated[
        str, AfterValidator(_link_name), Field(description="Name of the network and its bridge. A change replaces it.")
    ]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    description: Annotated[str, Field(description="A word about it.")] = ""
    config: Annotated[ConfigInput, Field(description="LXD's keys, as ipv4.address: 10.100.0.1/24.")] = {}
    member_config: Annotated[dict[str, Config], Field(description="Member -> its own keys. For making alone.")] = {}


class NetworkFacts(Facts):
    description: str = ""
    config: Config = {}
    status: str = ""
    whole: things.Whole = None


def facts_of(inputs: NetworkInputs, found: dict[str, Any] | None) -> NetworkFacts:
    if found is None:
        return NetworkFacts(present=False)
    if not found["managed"]:
        return NetworkFacts(
            present=True, description=f"<{found['type']} of the machine, not LXD's>", status="Unmanaged"
        )
    broken = found["status"] != everywhere.WHOLE
    return NetworkFacts(
        present=True,
        description=f"<the network is {found['status']}>" if broken else found["description"],
        status=found["status"],
        whole=None if broken else {key: found.get(key) for key in ("description", "config")},
        **things.compared(found, inputs.config),
    )


async def observe(session: Session, inputs: NetworkInputs) -> NetworkFacts:
    answer = await things.probe(session, inputs.daemon, "networks", inputs.name)
    if isinstance(answer, str):
        return NetworkFacts(present=True, description=answer)
    return facts_of(inputs, answer)


async def apply(session: Session, inputs: NetworkInputs, facts: NetworkFacts) -> None:
    if facts.status == "Unmanaged":
        raise things.not_managed(session, inputs.name, facts.description)
    body = {"type": "bridge", "description": inputs.description}
    await everywhere.make(session, inputs.daemon, "networks", inputs.name, body, inputs.config, inputs.member_config)


async def restore(session: Session, inputs: NetworkInputs, before: NetworkFacts) -> None:
    if before.status == "Unmanaged":
        return
    await everywhere.put_back(session, inputs.daemon, "networks", inputs.name, before.whole if before.present else None)


KIND = Kind(
    token="hearth:lxd:Network",
    inputs=NetworkInputs,
    facts=NetworkFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: f"network/{inputs.name}",
    parse=things.parse("network"),
    locks=lambda inputs: (f"lxd:network:{inputs.name}",),
    deadline=300.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "network delete", inputs.name),
)
