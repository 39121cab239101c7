"""How a machine joins a cluster: versions and clocks first, one token, and everything taken back where it fails.

A join that fails half-way leaves the joiner with a cluster's database that has no place for it, its certificate with
the others, and its address among those that keep the database; LXD 5.0 then also forgets pools that are empty [run].
So what would make it fail is looked for before: pools and networks that are not whole.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from providers.errors import CommandFailed, DeadlineExceeded, HearthError, InvalidInput
from providers.kinds.lxd import disks
from providers.kinds.lxd.api import Answer, Api, ApiError, NotBegun, Request, at
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.kinds.lxd.preseed import join as join_preseed
from providers.kinds.lxd.preseed import member_config
from providers.kinds.lxd.reset import reset
from providers.machine.session import Session
from toolchain.waiting import as_it_is, wait_until_async

JOIN_SECONDS = 120.0
TRIES = 2
CLOCKS_APART = 5.0
"""Seconds that two machines' clocks may differ: members' certificates and heartbeats are judged by the clock."""

Keys = Mapping[str, Mapping[str, str]]


async def is_half_done(api: Api) -> bool:
    """Return whether a join or a bootstrap was cut short here: a database of a cluster, and no name in it."""
    server = await api.get() or {}
    return bool(server["environment"]["server_clustered"]) and not server["environment"]["server_name"]


async def refuse_what_is_in_use(api: Api) -> None:
    """Raise InvalidInput where the daemon has something already: a cluster can't be taken back from it."""
    if await is_half_done(api):
        api.session.progress(f"an earlier join of {api.session.machine} was cut short: its {api.name} begins anew")
        await reset(api.session, api.about, start=True)
        await api.query(Request("GET", "/1.0", timeout=60))
    answers = await api.query(Request("GET", at("instances")), Request("GET", at("storage-pools")))
    found = [str(url) for answer in answers for url in answer.listed]
    if found:
        raise InvalidInput(
            f"{api.name} on {api.session.machine} is in use ({', '.join(found[:5])}), and to make it a member"
            f" of a cluster"
            " can't be taken back; nothing was changed",
            remedy="move what it holds away and delete it there, or leave this machine out of the cluster",
        )


async def compare(session: Session, daemon: Daemon, others: Sequence[str]) -> None:
    """Raise InvalidInput where versions or clocks of the machines do not agree, before any token is made."""
    versions = {session.machine: await _version(session, daemon)}
    own = await _clock(session)
    apart: dict[str, float] = {}
    for other in others:
        if other == session.machine or other in versions:
            continue
        async with session.elsewhere(other) as there:
            versions[other] = await _version(there, daemon)
            apart[other] = (await _clock(there)).ahead_of(own)
    if len(set(versions.values())) > 1:
        raise InvalidInput(
            "the members' versions differ, and members of different versions do not work together; nothing was changed",
            detail="\n".join(f"{machine}: {version}" for machine, version in versions.items()),
            remedy=f"upgrade them to one version (apt-get install --only-upgrade {ABOUT[daemon].packages[-1]} on each),"
            " then run up again",
        )
    late = {machine: seconds for machine, seconds in apart.items() if abs(seconds) > CLOCKS_APART}
    if late:
        raise InvalidInput(
            "the machines' clocks are apart, and certificates and heartbeats need them together; nothing was changed",
            detail="\n".join(
                f"{machine}: {seconds:+.1f} s against {session.machine}" for machine, seconds in late.items()
            ),
            remedy="set the clocks (timedatectl set-ntp true on each), then run up again",
        )


async def _version(session: Session, daemon: Daemon) -> str:
    api = Api(session, daemon)
    (answer,) = await api.query(Request("GET", "/1.0", timeout=60))
    return f"{daemon} {answer.metadata['environment']['server_version']}"


async def _clock(session: Session) -> Clock:
    before = time.monotonic()
    done = await session.run("date", "+%s.%N")
    return Clock(float(done.stdout), (before + time.monotonic()) / 2)


class Clock(tuple[float, float]):
    """A machine's time, and the moment of our own clock at which it was read."""

    __slots__ = ()

    def __new__(cls, there: float, here: float) -> Clock:
        return super().__new__(cls, (there, here))

    def ahead_of(self, other: Clock) -> float:
        """Return the seconds by which this machine's clock is ahead of the other's."""
        return (self[0] - self[1]) - (other[0] - other[1])


def token_of(metadata: Mapping[str, Any]) -> str:
    """Return the token that a preseed takes, from the operation that made it. It lets in once, within three hours."""
    names = {
        "server_name": "serverName",
        "fingerprint": "fingerprint",
        "addresses": "addresses",
        "secret": "secret",
        "expires_at": "expiresAt",
    }
    content = {name: metadata[key] for name, key in names.items() if key in metadata}
    return base64.b64encode(json.dumps(content).encode()).decode()


async def join(
    session: Session,
    daemon: Daemon,
    via: str,
    name: str,
    address: str,
    pools: Keys,
    networks: Keys,
    wipe: Sequence[str] = (),
) -> None:
    """Let the session's machine join through `via`. Raises HearthError, with everything taken back."""
    api = Api(session, daemon)
    async with session.elsewhere(via) as there:
        cluster = Api(there, daemon)
        await cluster.need_all_members(f"the join of {name}")
        await _clean_up(cluster, name, address)
        there_already = await _whole(cluster, name)
        brought = member_config(
            {key: pools.get(key, {}) for key in there_already["storage-pools"]},
            {key: networks.get(key, {}) for key in there_already["networks"]},
        )
        own = {pool: pools.get(pool, {}) for pool in there_already["storage-pools"]}
        await disks.make_ready(session, own, dict.fromkeys(own, session.machine), wipe)
        for attempt in range(1, TRIES + 1):
            session.progress(f"{name} joins the cluster through {via}")
            error = await _try(api, cluster, name, address, brought)
            if error is None:
                await wait_until_online(cluster, name)
                return
            await _clean_up(cluster, name, address)
            await reset(session, api.about, start=True)
            await api.query(Request("GET", "/1.0", timeout=60))
            if attempt == TRIES:
                raise HearthError(
                    f"{name} could not join the cluster through {via}; what the try left was taken back on both",
                    detail=error,
                    remedy=f"put right what the line above names; {address} must be free, and reach the others and be"
                    " reached by them",
                )


async def _try(api: Api, cluster: Api, name: str, address: str, brought: list[dict[str, str]]) -> str | None:
    """Try once to join, and return what it said where it failed, without the token."""
    body = {"server_name": name}
    (answer,) = await cluster.query(Request("POST", at("cluster", "members"), body))
    operation: dict[str, Any] = answer.metadata
    token = token_of(operation["metadata"])
    secret = str(operation["metadata"]["secret"])
    try:
        text = join_preseed(name, address, token, brought)
        done = await api.session.run(*api.about.preseed, stdin=text, check=False, timeout=JOIN_SECONDS)
        said = None if done.ok else (done.stderr or done.stdout or f"exit status {done.status}")
    except (CommandFailed, DeadlineExceeded) as error:
        said = f"{error.summary}\n{error.detail}"
    if said is not None:
        await cluster.ask(Request("DELETE", at("operations", str(operation["id"]))))
        return said.replace(token, "[token]").replace(secret, "[token]").strip()
    return None


async def _clean_up(cluster: Api, name: str, address: str) -> None:
    """Take back what a failed join left with the members: the certificate, the database's node, tokens."""
    members = await cluster.members()
    if any(each["server_name"] == name for each in members):
        raise InvalidInput(
            f"the cluster has a member {name!r} already, which is another machine or was one; nothing was changed",
            remedy=f"if that machine is gone for good: {cluster.about.client} cluster remove --force {name}; else"
            " choose another name",
        )
    known = {each["url"].removeprefix("https://") for each in members}
    listed = await cluster.session.run(*cluster.about.database, check=False, timeout=20)
    (certificates,) = await cluster.query(Request("GET", at("certificates", recursion="1")))
    for each in certificates.listed:
        if each["type"] == "server" and each["name"] == name:
            await cluster.delete("certificates", each["fingerprint"])
    if listed.ok and address not in known:
        # Of a node that is none this ends with an error, which says nothing.
        remove = (*cluster.about.program, "cluster", "remove-raft-node", "--quiet", address)
        await cluster.session.run(*remove, check=False, timeout=30)


async def _whole(cluster: Api, name: str) -> dict[str, list[str]]:
    """Return the names of the pools and networks that a joiner gets. Raises ApiError where one of them is not whole."""
    found: dict[str, list[str]] = {}
    broken: list[str] = []
    for group in ("storage-pools", "networks"):
        (answer,) = await cluster.query(Request("GET", at(group, recursion="1")))
        managed = [each for each in answer.listed if each.get("managed", True)]
        found[group] = [each["name"] for each in managed]
        broken += [f"{each['name']} of {group}: {each['status']}" for each in managed if each["status"] != "Created"]
    if broken:
        raise NotBegun(
            f"{name} can't join while pools or networks of the cluster are half made; nothing was changed",
            status=409,
            detail="\n".join(broken),
            remedy="run up again: the pool or network itself is made whole first; or delete it by hand if it is empty",
        )
    return found


async def wait_until_online(api: Api, name: str, seconds: float = 60) -> None:
    """Wait until the cluster sees a member as online."""

    async def ask() -> Answer:
        (answer,) = await api.ask(Request("GET", at("cluster", "members", name)))
        return answer

    def online(answer: Answer) -> bool:
        return bool(answer.found) and answer.found["status"] in ("Online", "Evacuated")

    answer = await wait_until_async(ask, seconds, as_it_is, good=online, pause=0.5)
    if online(answer):
        return
    if answer.failure:
        raise await api.no_answer(answer)
    raise ApiError(
        f"the cluster does not see {name} as online after {seconds:.0f} s",
        status=503,
        detail=answer.found["message"] if answer.found else "it is no member",
        remedy=f"see on its machine: journalctl -u {api.about.start} -n 50",
    )
