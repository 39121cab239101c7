"""A client in maubot: the account by which instances of plugins speak.

The token has to be good, as the homeserver itself says (`whoami`): after a token was revoked maubot still calls its
client started and in sync. Not managed: what the account looks like, unless `displayname` or `avatarUrl` say so; rooms.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from providers.errors import HearthError, NotConverged
from providers.kind import Facts, Inputs, Kind
from providers.kinds.matrix.common import (
    CONFIG_FILE,
    ConfigFile,
    HomeserverAddress,
    UserId,
    identified,
)
from providers.kinds.matrix.way_back import what_can_not_go_stays
from providers.machine.session import Session

UNMANAGED = "disable"
"""What maubot calls a name or a picture that it leaves alone."""


class MaubotClientInputs(Inputs):
    user_id: Annotated[UserId, Field(description="The account. A change replaces the resource.")]
    homeserver: Annotated[HomeserverAddress, Field(description="Its homeserver, as maubot's machine sees it.")]
    # Empty in a preview where the account has lost its token: the account's update gives it a new one first.
    access_token: Annotated[str, Field(description="The token of its device. Give a secret.")]
    device_id: Annotated[str, Field(min_length=1, description="Its device; another one loses the keys of this one.")]
    enabled: Annotated[bool | None, Field(description="Whether it starts with maubot.")] = None
    started: Annotated[bool | None, Field(description="Whether it runs now.")] = None
    sync: Annotated[bool | None, Field(description="Whether it hears what is said in its rooms.")] = None
    autojoin: Annotated[bool | None, Field(description="Whether it goes where it is invited.")] = None
    online: Annotated[bool | None, Field(description="Whether it is shown as online.")] = None
    displayname: Annotated[
        str | None, Field(description="The name that it shows; not managed where none is given.")
    ] = None
    avatar_url: Annotated[
        str | None, Field(description="Its picture, as an mxc:// address; not managed where none is given.")
    ] = None
    logged_in: Annotated[bool, Field(description="That its token is good, as the homeserver says. Always true.")] = True
    config_file: ConfigFile = CONFIG_FILE


class MaubotClientFacts(Facts):
    homeserver: str = ""
    access_token: str = ""
    device_id: str = ""
    enabled: bool = False
    started: bool = False
    sync: bool = False
    autojoin: bool = False
    online: bool = False
    displayname: str = UNMANAGED
    avatar_url: str = UNMANAGED
    logged_in: bool = False


PLAIN = (
    "homeserver",
    "access_token",
    "device_id",
    "enabled",
    "sync",
    "autojoin",
    "online",
    "displayname",
    "avatar_url",
)
"""What maubot takes and gives under the same name."""


async def observe(session: Session, inputs: MaubotClientInputs) -> MaubotClientFacts:
    from providers.kinds.matrix.maubot_api import MaubotApi

    async with MaubotApi(session, inputs.config_file) as maubot:
        found = await maubot.get("client", inputs.user_id)
    if found is None:
        return MaubotClientFacts(present=False)
    plain: dict[str, Any] = {name: found.get(name) for name in PLAIN if found.get(name) is not None}
    plain["homeserver"] = str(plain.get("homeserver", "")).rstrip("/")
    return MaubotClientFacts(
        present=True, started=bool(found.get("started")), logged_in=await _logged_in(session, inputs, plain), **plain
    )


async def _logged_in(session: Session, inputs: MaubotClientInputs, found: dict[str, Any]) -> bool:
    """Return what the homeserver says of the token that maubot has."""
    from providers.kinds.matrix.homeserver import Homeserver

    address = str(found["homeserver"])
    try:
        client = await session.http(address)
        async with client:
            login = await Homeserver(session, client, address).whoami(str(found.get("access_token", "")))
    except HearthError as error:
        session.warn(f"whether the token of {inputs.user_id} is good can't be told: {error.summary}")
        return False
    return login is not None and login.user_id == inputs.user_id


async def apply(session: Session, inputs: MaubotClientInputs, facts: MaubotClientFacts) -> None:
    from providers.kinds.matrix.maubot_api import MaubotApi

    async with MaubotApi(session, inputs.config_file) as maubot:
        body = {name: getattr(inputs, name) for name in PLAIN if getattr(inputs, name) is not None}
        found = await maubot.put("client", inputs.user_id, body)
        if inputs.started not in (None, bool(found.get("started"))):
            # By itself: maubot starts before it enables where both are in one request.
            found = await maubot.put("client", inputs.user_id, {"started": inputs.started})
    if inputs.started and not found.get("started"):
        raise NotConverged(
            f"maubot took the client {inputs.user_id}, and it did not start",
            remedy="see maubot's log (journalctl -u maubot -n 50): it names what the homeserver did not like"
            if inputs.enabled is not False
            else "a client that is not enabled can't be started: set enabled, or started: false",
        )


async def restore(session: Session, inputs: MaubotClientInputs, before: MaubotClientFacts) -> None:
    from providers.kinds.matrix.maubot_api import MaubotApi

    with what_can_not_go_stays(session, f"the client {inputs.user_id}"):
        async with MaubotApi(session, inputs.config_file) as maubot:
            if not before.present:
                await maubot.delete("client", inputs.user_id)
                return
            await maubot.put("client", inputs.user_id, {name: getattr(before, name) for name in PLAIN})
            await maubot.put("client", inputs.user_id, {"started": before.started})


KIND = Kind(
    token="hearth:matrix:MaubotClient",
    inputs=MaubotClientInputs,
    facts=MaubotClientFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("user_id", "config_file"),
    identify=lambda inputs: identified(inputs.config_file, inputs.user_id),
    defaults={"enabled": True, "started": True, "sync": True, "autojoin": True, "online": True},
    secret_outputs=("access_token",),
    locks=lambda inputs: (f"maubot:{inputs.config_file}",),
    deadline=240.0,  # a homeserver's rate limit is waited for
    by_hand=lambda inputs: f"remove the client {inputs.user_id} in maubot's web page",
)
