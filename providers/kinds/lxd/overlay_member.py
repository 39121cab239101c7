"""A machine in a ZeroTier network: it has joined, its controller has let it in, and it has its address.

Manages the membership on both sides. A network whose routes cover one of the machine's own networks is not joined: the
machine would be cut off (zerotier/ZeroTierOne#787). On destroy the member is put out and leaves; one that was in the
network before stays. Does not manage the network itself, its routes and its rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import Field

from providers.errors import HearthError, InvalidInput, NotAnswering
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd.zerotier import Controller, Endpoint, ZeroTierError, assigned, service
from providers.machine.session import Session

APPEAR_SECONDS = 90.0
"""Seconds until a member that has joined is known to its controller: the first contact goes around the world."""


class OverlayMemberInputs(Inputs):
    network: Annotated[
        str, Field(pattern="^[0-9a-f]{16}$", description="The network's id. A change replaces the resource.")
    ]
    token: Annotated[str, Field(min_length=1, description="Lets in at the controller. Give a secret.")]
    name: Annotated[str, Field(description="What the member is called at ZeroTier Central.")]
    controller: Annotated[
        str | None, Field(description="Address of a controller of one's own. None: ZeroTier Central.")
    ] = None
    address: Annotated[str | None, Field(description="Its address in the network. None: as the controller gives.")] = (
        None
    )
    lans: Annotated[list[str], Field(description="Networks that no route of the overlay may cover.")] = []
    joined: Annotated[str, Field(description="How the machine sees the network. Always OK.")] = "OK"


class OverlayMemberFacts(Facts):
    node: str = Field(default="", description="The machine's own address in ZeroTier: ten digits.")
    joined: str = ""
    address: str = ""
    authorized: bool = False


async def observe(session: Session, inputs: OverlayMemberInputs) -> OverlayMemberFacts:
    try:
        place = await service(session)
        status = None if place is None else await place.ask(session, "GET", "/status")
    except (NotAnswering, ZeroTierError):
        return OverlayMemberFacts(present=False, joined="<its ZeroTier does not answer>")
    if place is None or status is None:
        return OverlayMemberFacts(present=False)
    node = str(status["address"])
    network = await place.ask(session, "GET", f"/network/{inputs.network}")
    if network is None:
        return OverlayMemberFacts(present=False, node=node)
    addresses = assigned(network)
    own = inputs.address if inputs.address in addresses else ", ".join(addresses)
    return OverlayMemberFacts(
        present=True, node=node, joined=str(network["status"]), address=own or "", authorized=network["status"] == "OK"
    )


def covered(routes: list[str], lans: list[str]) -> list[str]:
    """List the routes that cover a network in use here, each with that one."""
    found: list[str] = []
    for route in map(ip_network, routes):
        for lan in map(ip_network, lans):
            if route.version == lan.version and route.prefixlen and route.overlaps(lan):
                found.append(f"{route} covers {lan}")
    return found


async def apply(session: Session, inputs: OverlayMemberInputs, facts: OverlayMemberFacts) -> None:
    place = await service(session)
    if place is None:
        raise InvalidInput(
            f"ZeroTier has never run on {session.machine}, so it can't join {inputs.network}; nothing was changed",
            remedy="install zerotier-one and start zerotier-one.service there",
        )
    controller = Controller(inputs.network, inputs.controller, inputs.token)
    wrong = covered(await controller.routes(session), inputs.lans)
    if wrong:
        raise InvalidInput(
            f"the overlay {inputs.network} routes what {session.machine} uses itself, and would cut it off; it was not"
            " joined",
            detail="\n".join(wrong),
            remedy="take that route out of the network at its controller, or give the machines another network",
        )
    node = str((await place.ask(session, "GET", "/status"))["address"])
    wish = {"allowManaged": True, "allowGlobal": False, "allowDefault": False, "allowDNS": False}
    await place.ask(session, "POST", f"/network/{inputs.network}", wish)
    session.progress(f"waiting until {controller.place.name} knows {node}")
    await _until(lambda: controller.member(session, node), f"{controller.place.name} knows the member {node}")
    await controller.let_in(session, node, inputs.name, inputs.address)
    await _until(lambda: _is_in(session, place, inputs), f"{session.machine} is in the network {inputs.network}")


async def _is_in(session: Session, place: Endpoint, inputs: OverlayMemberInputs) -> bool:
    found: dict[str, Any] = await place.ask(session, "GET", f"/network/{inputs.network}") or {}
    addresses = assigned(found)
    return found.get("status") == "OK" and bool(addresses) and inputs.address in (None, *addresses)


async def _until(holds: Callable[[], Awaitable[Any]], what: str) -> None:
    end = asyncio.get_running_loop().time() + APPEAR_SECONDS
    while not await holds():
        if asyncio.get_running_loop().time() > end:
            raise ZeroTierError(
                f"not after {APPEAR_SECONDS:.0f} s: {what}",
                remedy="see that UDP port 9993 goes out, and that the network's id is right; then run up again",
            )
        await asyncio.sleep(1)


async def restore(session: Session, inputs: OverlayMemberInputs, before: OverlayMemberFacts) -> None:
    if before.present:
        return
    now = await observe(session, inputs)
    controller = Controller(inputs.network, inputs.controller, inputs.token)
    if node := now.node or before.node:
        try:
            await controller.put_out(session, node)
        except HearthError as error:
            session.warn(f"{node} stays a member at {controller.place.name}: {error.summary}. Take it out there")
    place = await service(session)
    if now.present and place is not None:
        await place.ask(session, "DELETE", f"/network/{inputs.network}")


KIND = Kind(
    token="hearth:lxd:OverlayMember",
    inputs=OverlayMemberInputs,
    facts=OverlayMemberFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("network",),
    identify=lambda inputs: f"overlay/{inputs.network}",
    outputs=("node",),
    locks=lambda _inputs: ("zerotier",),
    deadline=300.0,
    by_hand=lambda inputs: f"zerotier-cli leave {inputs.network}",
)
