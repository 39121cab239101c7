"""A member of an LXD cluster: the machine begins the cluster, or joins it through a machine that is in it already.

Manages membership, the member's address, and that it is online and takes instances. A join token is asked for where it
is needed, handed over on stdin, and kept nowhere. On destroy the member is drained, leaves the cluster, and its daemon
is as it was installed; the last one takes the cluster with it. A member that was one before stays.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field

from providers.errors import HearthError, InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import disks, joining, things
from providers.kinds.lxd.api import SERVER_ERROR, Api, NoAnswer, Request, at, names_in
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.kinds.lxd.preseed import bootstrap
from providers.kinds.lxd.reset import reset
from providers.machine.session import Session

PRESEED_SECONDS = 120.0
LEAVE_SECONDS = 60.0


class MemberInputs(Inputs):
    name: Annotated[things.ThingName, Field(description="The member's name. A change replaces it.")]
    address: Annotated[str, Field(description="Where its API answers the others: host:port, IPv6 in brackets.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    via: Annotated[
        str | None,
        Field(description="Machine of a member through which it joins. None: it begins the cluster."),
    ] = None
    peers: Annotated[
        list[str], Field(description="Machines whose versions and clocks must agree with it before anything is done.")
    ] = []
    pools: Annotated[
        dict[str, dict[str, str]], Field(description="Pool -> its keys of this member alone, for a later join.")
    ] = {}
    wipe: Annotated[
        list[str], Field(description="Pools whose disk of this member may be overwritten although it is not empty.")
    ] = []
    networks: Annotated[
        dict[str, dict[str, str]], Field(description="Network -> its keys of this member alone, for a later join.")
    ] = {}
    state: Annotated[Literal["Online", "Evacuated"], Field(description="Online, or drained of its instances.")] = (
        "Online"
    )


class MemberFacts(Facts):
    address: str = ""
    state: str = Field(default="", description="As the cluster sees it: Online, Offline, Evacuated; or why unknown.")
    clustered: bool = False


async def observe(session: Session, inputs: MemberInputs) -> MemberFacts:
    api = Api(session, inputs.daemon)
    server, member = await _both(api, inputs.name)
    if server.failure or server.status >= SERVER_ERROR:
        service = await session.run("systemctl", "is-active", api.about.start, check=False)
        local = await session.stat(f"{api.about.state}/database/local.db")
        if local is None:
            return MemberFacts(present=False)
        state = "Offline" if service.stdout.strip() != "active" else "<it does not answer>"
        return MemberFacts(present=True, address=inputs.address, state=state, clustered=True)
    found: dict[str, Any] = server.found or {}
    if not found.get("environment", {}).get("server_clustered"):
        return MemberFacts(present=False)
    address = str(found.get("config", {}).get("core.https_address", ""))
    if member.failure or member.status >= SERVER_ERROR:
        return MemberFacts(present=True, address=address, state="<the cluster does not answer>", clustered=True)
    if member.found is None or found["environment"]["server_name"] != inputs.name:
        return MemberFacts(present=False, clustered=True)
    return MemberFacts(present=True, address=address, state=member.found["status"], clustered=True)


async def _both(api: Api, name: str) -> tuple[Any, Any]:
    answers = await api.ask(Request("GET", "/1.0"), Request("GET", at("cluster", "members", name)))
    return answers[0], answers[-1]


async def apply(session: Session, inputs: MemberInputs, facts: MemberFacts) -> None:
    api = Api(session, inputs.daemon)
    if facts.present and facts.clustered:
        await _amend(api, inputs, facts)
        return
    if facts.clustered and not await joining.is_half_done(api):
        await _refuse_other(api, inputs)
    await joining.refuse_what_is_in_use(api)
    await joining.compare(session, inputs.daemon, [*inputs.peers, *([inputs.via] if inputs.via else [])])
    if inputs.via is not None:
        await joining.join(
            session, inputs.daemon, inputs.via, inputs.name, inputs.address, inputs.pools, inputs.networks, inputs.wipe
        )
        return
    text = bootstrap(inputs.name, inputs.address)
    session.progress(f"beginning the cluster with {inputs.name}")
    await session.run(*api.about.preseed, stdin=text, timeout=PRESEED_SECONDS)


async def _own_name(api: Api) -> str:
    """Return the name of the member that the daemon takes itself for."""
    server = await api.get() or {}
    return str(server.get("environment", {}).get("server_name", "?"))


async def _refuse_other(api: Api, inputs: MemberInputs) -> None:
    name = await _own_name(api)
    raise InvalidInput(
        f"{api.session.machine} is the member {name!r} of a cluster already, so it can't be {inputs.name!r};"
        f" nothing was"
        " changed",
        remedy=f"give the member its name {name!r} in the settings, or take it out of that cluster first",
    )


async def _amend(api: Api, inputs: MemberInputs, facts: MemberFacts) -> None:
    if facts.state in ("Offline", "<it does not answer>"):
        await api.session.run("systemctl", "start", api.about.start, timeout=90)
        await joining.wait_until_online(api, inputs.name)
    if facts.state.startswith("<"):
        await api.query(Request("GET", at("cluster", "members")))  # says who is away
    if facts.address != inputs.address:
        raise InvalidInput(
            f"the member {inputs.name} has the address {facts.address or 'of nowhere'}, and the settings wish for"
            f" {inputs.address}: a member's address can't be changed while it is in the cluster",
            remedy="give it its old address, or take the member out of the settings, up, and in again with the new one",
        )
    now = await api.get("cluster", "members", inputs.name) or {}
    if inputs.state == "Evacuated" and now.get("status") == "Online":
        await api.change("POST", at("cluster", "members", inputs.name, "state"), {"action": "evacuate"})
    elif inputs.state == "Online" and now.get("status") == "Evacuated":
        await api.change("POST", at("cluster", "members", inputs.name, "state"), {"action": "restore"})


async def restore(session: Session, inputs: MemberInputs, before: MemberFacts) -> None:
    api = Api(session, inputs.daemon)
    if before.present:
        return
    now = await observe(session, inputs)
    if not now.clustered:
        return
    members = await api.members() if not now.state.startswith(("<", "Offline")) else []
    others = [each["server_name"] for each in members if each["server_name"] != inputs.name]
    own: dict[str, str] = {}
    for pool, disk in disks.sources_of(inputs.pools).items() if members else ():
        if await disks.taken(api, pool, {inputs.name: disk}):
            own[pool] = disk
    if others:
        # One that the others removed by force takes itself for a member still, and has nothing to leave.
        if len(others) < len(members) or await _own_name(api) != inputs.name:
            await _leave(api, inputs)
    else:
        (answer,) = await api.ask(Request("GET", at("instances")))
        instances = names_in(answer.listed) if not answer.failure else []
        if instances:
            session.warn(
                f"the cluster stays on {session.machine}: it still has {', '.join(instances)}, which are not"
                f" Hearth's or"
                " whose data is kept"
            )
            return
    await reset(session, ABOUT[inputs.daemon], start=True)
    # The pools stay with the others; what this machine brought for them is as it was taken.
    await disks.give_back(session, own, dict.fromkeys(own, session.machine))


async def _leave(api: Api, inputs: MemberInputs) -> None:
    """Drain the member and let it leave in order, so that nothing of it stays in the cluster."""
    (answer,) = await api.query(Request("GET", at("instances", recursion="1")))
    own = [each["name"] for each in answer.listed if each.get("location") == inputs.name]
    path = at("cluster", "members", inputs.name)
    if own:
        api.session.progress(f"moving {', '.join(own)} away from {inputs.name}")
        await api.change("POST", f"{path}/state", {"action": "evacuate", "mode": "migrate"}, wait=600)
    try:
        await api.change("DELETE", path)
    except HearthError as error:
        # Its own daemon starts anew as it leaves, and may be gone before it has answered to the end.
        if isinstance(error, NoAnswer) and await _has_left(api):
            return
        raise HearthError(
            f"{inputs.name} can't leave the cluster: {error.summary}",
            detail=error.detail,
            remedy="what is on it must be moved or deleted first; then run destroy again",
        ) from error


async def _has_left(api: Api) -> bool:
    """Return whether a daemon that starts anew is in no cluster any more; it may take a while to answer."""
    end = asyncio.get_running_loop().time() + LEAVE_SECONDS
    while asyncio.get_running_loop().time() < end:
        (answer,) = await api.ask(Request("GET", "/1.0", timeout=LEAVE_SECONDS))
        if answer.found and not answer.failure:
            return not answer.found["environment"]["server_clustered"]
        await asyncio.sleep(1)
    return False


KIND = Kind(
    token="hearth:lxd:Member",
    inputs=MemberInputs,
    facts=MemberFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: f"member/{inputs.name}",
    parse=things.parse("member"),
    locks=lambda _inputs: ("lxd",),
    deadline=900.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "cluster remove", inputs.name),
)
