"""Pools and networks: things that are defined on each member and then made whole for the cluster.

A first try that fails leaves them PENDING or ERRORED, and LXD takes no second (canonical/lxd#8111): where nothing uses
them yet they are removed and made anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from providers.errors import InvalidInput
from providers.kinds.lxd import ours, things
from providers.kinds.lxd.api import Api, ApiError, Request, at
from providers.kinds.lxd.daemons import Daemon
from providers.kinds.lxd.preseed import MEMBER_KEYS
from providers.machine.session import Session

WHOLE = "Created"
AWAY_SECONDS = 2.0
# LXD kills a network's DNS server and starts the next a tenth of a second later, whether the old one is away or not
# (lxd/dnsmasq/dnsmasq.go, 5.0.2), and a busy machine was seen to need longer. LXD takes its change back then.
_NOT_YET_AWAY = re.compile(r"exited prematurely.*address already in use", re.IGNORECASE | re.DOTALL)


async def make(
    session: Session,
    daemon: Daemon,
    group: str,
    name: str,
    body: Mapping[str, Any],
    config: ours.Config,
    member_config: Mapping[str, ours.Config],
) -> None:
    """Make a pool or a network on every member, or change it in place. `body` is what else it is made from."""
    api = Api(session, daemon)
    what = f"a change of {name} ({group})"
    members = [each["server_name"] for each in await api.need_all_members(what)]
    unknown = sorted(member_config.keys() - set(members))
    if unknown:
        raise InvalidInput(
            f"{name} of {group} has keys for {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'}"
            f" not in the"
            f" cluster (there: {', '.join(members)}); nothing was changed",
            remedy="let the member join first (depends_on), or correct the name",
        )
    found = await api.get(group, name)
    if found is not None and found["status"] != WHOLE:
        users = things.in_use(found)
        if users:
            raise InvalidInput(
                f"{name} of {group} is {found['status']} and used by {users}, so it can't be made anew; nothing"
                f" was changed",
                remedy="move what uses it away, then run up again",
            )
        session.progress(f"{name} of {group} is {found['status']}: it is removed and made anew")
        await api.delete(group, name)
        found = None
    wished = ours.wished(found or {}, config)
    if found is not None:
        kept = {key: value for key, value in wished["config"].items() if key not in _own_keys(group)}
        await _amend(api, group, name, {"description": body["description"], "config": kept})
        return
    made = {key: value for key, value in body.items() if key != "description"}
    for member in members:
        own = dict(member_config.get(member, {}))
        await api.change("POST", at(group, target=member), {"name": name, **made, "config": own})
    await api.change("POST", at(group), {"name": name, **body, **wished})


async def _amend(api: Api, group: str, name: str, body: Mapping[str, Any]) -> None:
    """Change it in place, and try again where its own DNS server only was not away in time."""
    for last in (False, False, True):
        try:
            await api.change("PUT", at(group, name), body)
        except ApiError as error:
            if last or not _NOT_YET_AWAY.search(error.detail):
                raise
            api.session.progress(f"{name} of {group}: its DNS server had not let go of its address; once more")
            await asyncio.sleep(AWAY_SECONDS)
        else:
            return


def _own_keys(group: str) -> tuple[str, ...]:
    return MEMBER_KEYS["storage-pool" if group == "storage-pools" else "network"]


async def put_back(session: Session, daemon: Daemon, group: str, name: str, whole: things.Whole) -> None:
    """Give it back what it had, or remove it from every member; what is used stays, with a warning."""
    api = Api(session, daemon)
    (answer,) = await api.ask(Request("GET", at(group, name)))
    if answer.status == 404 or answer.failure == "absent":
        return
    await api.need_all_members(f"the removal of {name} ({group})")
    if whole is not None:
        config = {key: value for key, value in whole["config"].items() if key not in _own_keys(group)}
        await _amend(api, group, name, {**whole, "config": config})
        return
    await things.put_back(session, daemon, group, name, None)
