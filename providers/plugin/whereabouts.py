"""On which machine a resource is, and what a person is told of that and of its record."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from providers.errors import ConnectionFailed, HearthError
from providers.kind import Inputs
from providers.machine.inventory import Inventory, Placement
from providers.machine.record import RECORDS, Record

if TYPE_CHECKING:
    from providers.machine.connection import Connection


def stack_of(urn: str) -> str:
    """Return the stack in `urn:pulumi:STACK::PROJECT::TYPE::NAME`, as a person calls it."""
    stack, project = urn.split("::")[:2]
    return f"the stack {stack.rpartition(':')[2]} of {project}"


def forgotten(resource_id: str, inputs: Inputs) -> str:
    return f"{RECORDS} on {inputs.host} does not say any more what was there before {resource_id}"


def damaged(record: Record, inputs: Inputs) -> str:
    return f"{record.path} on {inputs.host}, where was written what was there before, can't be read ({record.damaged})"


def same_machine(connection: Connection, where: Placement) -> str:
    return f"{connection.label}, until now at {where.address}, is the same machine: what is there is kept"


def another_machine(connection: Connection, where: Placement) -> str:
    return (
        f"{connection.label} is another machine than the one at {where.address}: everything is made anew there,"
        " and then the old one is put back as it was found"
    )


async def whereabouts(inventory: Inventory, name: str, where: Placement | None) -> Connection:
    """Return the connection to the machine that a resource is on.

    Where the settings have another address for it since, that may be the same machine, or another one that has nothing
    to do with this resource.
    """
    if where is not None and name in inventory.machines.hosts and not inventory.is_at(name, where):
        moved = inventory.connection(name)
        with contextlib.suppress(ConnectionFailed):
            if await moved.machine_id() == where.id:
                return moved
    return inventory.connection(name, where)


async def where_if_known(inventory: Inventory, name: str, connection: Any) -> Placement | None:
    try:
        return await inventory.where(name, connection)
    except HearthError:
        return None
