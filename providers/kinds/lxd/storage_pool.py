"""A storage pool of an LXD cluster, on every member.

Manages the description and the keys that are given. What each member brings (a disk, a size) is for its making alone.
On destroy a pool of Hearth's goes, unless something still uses it, and its disks are empty again; one that was there
gets back what it had.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import disks, everywhere, things
from providers.kinds.lxd.api import Api
from providers.kinds.lxd.daemons import Daemon
from providers.kinds.lxd.ours import Config, ConfigInput
from providers.machine.session import Session


class StoragePoolInputs(Inputs):
    name: Annotated[things.ThingName, Field(description="Name of the pool. A change replaces it.")]
    driver: Annotated[Literal["dir", "zfs", "btrfs"], Field(description="What keeps the data. A change replaces it.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    description: Annotated[str, Field(description="A word about it.")] = ""
    config: Annotated[ConfigInput, Field(description="LXD's keys that hold for the whole cluster.")] = {}
    member_config: Annotated[
        dict[str, Config], Field(description="Member -> its own keys, as source: /dev/disk/by-id/... For making alone.")
    ] = {}
    machines: Annotated[dict[str, str], Field(description="Member -> its machine, where a disk is looked at.")] = {}
    wipe: Annotated[
        list[str], Field(description="Members whose disk may be overwritten although it is not empty.")
    ] = []


class StoragePoolFacts(Facts):
    driver: str = ""
    description: str = ""
    config: Config = {}
    status: str = ""
    whole: things.Whole = None


def facts_of(inputs: StoragePoolInputs, found: dict[str, Any] | None) -> StoragePoolFacts:
    if found is None:
        return StoragePoolFacts(present=False)
    description = found["description"]
    if found["status"] != everywhere.WHOLE:
        description = f"<the pool is {found['status']}>"
    whole = {key: found.get(key) for key in ("description", "config")}
    return StoragePoolFacts(
        present=True,
        driver=found["driver"],
        description=description,
        status=found["status"],
        whole=whole if found["status"] == everywhere.WHOLE else None,
        **things.compared(found, inputs.config),
    )


async def observe(session: Session, inputs: StoragePoolInputs) -> StoragePoolFacts:
    answer = await things.probe(session, inputs.daemon, "storage-pools", inputs.name)
    if isinstance(answer, str):
        return StoragePoolFacts(present=True, driver=inputs.driver, description=answer)
    return facts_of(inputs, answer)


async def apply(session: Session, inputs: StoragePoolInputs, facts: StoragePoolFacts) -> None:
    if facts.present and facts.driver != inputs.driver and facts.status == everywhere.WHOLE:
        raise InvalidInput(
            f"the pool {inputs.name} is of the driver {facts.driver}, and {inputs.driver} is wished for: a"
            f" pool's driver"
            " can't be changed; nothing was changed",
            remedy="give the pool another name, or move its instances and delete it first",
        )
    if facts.status != everywhere.WHOLE:
        await disks.make_ready(session, inputs.member_config, inputs.machines, inputs.wipe)
    body = {"driver": inputs.driver, "description": inputs.description}
    await everywhere.make(
        session, inputs.daemon, "storage-pools", inputs.name, body, inputs.config, inputs.member_config
    )


async def restore(session: Session, inputs: StoragePoolInputs, before: StoragePoolFacts) -> None:
    whole = before.whole if before.present else None
    api = Api(session, inputs.daemon)
    sources = {} if before.present else disks.sources_of(inputs.member_config)
    taken = await disks.taken(api, inputs.name, sources)
    await everywhere.put_back(session, inputs.daemon, "storage-pools", inputs.name, whole)
    if taken and await api.get("storage-pools", inputs.name) is None:
        await disks.give_back(session, taken, inputs.machines)


KIND = Kind(
    token="hearth:lxd:StoragePool",
    inputs=StoragePoolInputs,
    facts=StoragePoolFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name", "driver"),
    identify=lambda inputs: f"storage-pool/{inputs.name}",
    locks=lambda inputs: (f"lxd:storage-pool:{inputs.name}",),
    deadline=600.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "storage delete", inputs.name),
)
