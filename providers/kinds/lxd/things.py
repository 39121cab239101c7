"""What profiles, pools, networks and groups have in common: looked at, made, changed, and put back by name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from providers.errors import InvalidInput
from providers.kinds.lxd import ours
from providers.kinds.lxd.api import Api, Request, at, names_in
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.kinds.lxd.ours import Config, Devices
from providers.machine.session import Session

Whole = dict[str, Any] | None


def _thing_name(value: str) -> str:
    plain = value.replace("-", "").replace("_", "").replace(".", "")
    if not plain or not plain.isascii() or not plain.isalnum() or len(value) > 63 or value[0] in "-._":
        raise ValueError("must be 1 to 63 letters, digits, '-', '_' and '.', and not begin with one of these")
    return value


ThingName = Annotated[str, AfterValidator(_thing_name)]
"""The name of something in LXD."""


async def probe(session: Session, daemon: Daemon, *words: str) -> dict[str, Any] | str | None:
    """Return a thing as it is; None where there is none; a line that says why that can't be known."""
    api = Api(session, daemon)
    (answer,) = await api.ask(Request("GET", at(*words)))
    if answer.failure:
        return f"<not known: {(await api.no_answer(answer)).summary}>"
    if answer.status >= 400 and answer.status != 404:
        return f"<not known: {answer.error}>"
    return answer.found


def compared(found: Mapping[str, Any], config: Config, devices: Devices | None = None) -> dict[str, Any]:
    """Return the configuration and devices of a thing that are compared with a wish."""
    there: Config = found.get("config") or {}
    keys, names = ours.marked(there)
    result: dict[str, Any] = {"config": ours.ours(config, keys, there)}
    if devices is not None:
        result["devices"] = ours.ours(devices, names, found.get("devices") or {})
    return result


async def put(
    session: Session,
    daemon: Daemon,
    group: str,
    name: str,
    description: str,
    config: Config,
    devices: Devices | None = None,
) -> None:
    """Make a thing, or change it in place: what is not Hearth's stays."""
    api = Api(session, daemon)
    found = await api.get(group, name)
    body = {"description": description, **ours.wished(found or {}, config, devices)}
    if found is None:
        await api.change("POST", at(group), {"name": name, **body})
    else:
        await api.change("PUT", at(group, name), body)


async def put_back(session: Session, daemon: Daemon, group: str, name: str, whole: Whole) -> None:
    """Give a thing back what it had, or remove it; what others still use stays, with a warning."""
    api = Api(session, daemon)
    found = await api.get(group, name)
    if found is None:
        if whole is not None:
            session.warn(f"{name} of {group} on {session.machine} was removed by somebody else, and is not made again")
        return
    if whole is not None:
        await api.change("PUT", at(group, name), whole)
        return
    users = in_use(found)
    if users:
        session.warn(f"{name} of {group} stays on {session.machine}: {users} still use it. {by_hand(daemon, '', name)}")
        return
    await api.delete(group, name)


def in_use(found: Mapping[str, Any]) -> str:
    """Return who uses a thing, for a message; empty where nobody does."""
    users: list[str] = found.get("used_by") or []
    return ", ".join(f"{url.split('/')[2].rstrip('s')} {names_in([url])[0]}" for url in users)


def parse(kind: str) -> Callable[[str], dict[str, Any]]:
    """Return the inverse of `kind/NAME`, for import."""

    def inner(identity: str) -> dict[str, Any]:
        word, _, name = identity.partition("/")
        if word != kind or not name:
            raise ValueError(f"must be machine/{kind}/NAME")
        return {"name": name}

    return inner


def by_hand(daemon: Daemon, command: str, name: str) -> str:
    """Return the line by which a person removes a thing."""
    return f"{ABOUT[daemon].client} {command} {shlex.quote(name)}".replace("  ", " ")


def not_managed(session: Session, name: str, what: str) -> InvalidInput:
    """Return the error for a network that is an interface of the machine's own."""
    return InvalidInput(
        f"{name} on {session.machine} is an interface of the machine's own ({what.strip('<>')}), so LXD can't make a"
        " network of that name; nothing was changed",
        remedy="give the network another name, or name the interface under `bridges`",
    )
