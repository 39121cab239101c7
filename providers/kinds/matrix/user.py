"""A bot's account on a Matrix homeserver, and the one device by which it speaks.

Registered by whatever stages the homeserver asks for (a registration token, usually); an account that is there already
is logged in with its password. The access token lies on the machine in `tokenFile`, which root alone may read, and is a
secret output; it is good where the homeserver itself says so (`whoami`). The device stays the same for life: another
one would lose its keys. Destroy logs the device out, and leaves the account: a name once closed can never be registered
again, so that takes `deactivate`. Not managed: a password that was changed elsewhere, names, pictures, rooms.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, Field

from providers.errors import HearthError, NotAnswering, NotConverged
from providers.kind import AbsolutePath, Facts, Inputs, Kind
from providers.kinds.matrix.common import HomeserverAddress
from providers.machine.session import Session

if TYPE_CHECKING:
    from providers.kinds.matrix.homeserver import Homeserver, Login


REGISTERED = "registered_at"
"""In the token file: the homeserver at which the account was registered here, and not found. Only such a one is ever
closed."""


def _localpart(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9._=/+-]{1,200}", value):
        raise ValueError(
            "must be the part of a user id between @ and :, of lowercase letters, digits and . _ = - / +;"
            " write it as echo-bot"
        )
    return value


def _device(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", value):
        raise ValueError("must be letters, digits and . _ ~ -; write it as MAUBOT")
    return value


class MatrixUserInputs(Inputs):
    homeserver: Annotated[HomeserverAddress, Field(description="Its homeserver, as the machine sees it.")]
    user: Annotated[
        str,
        AfterValidator(_localpart),
        Field(description="Name of the account, without @ and server. A change replaces the resource."),
    ]
    password: Annotated[str, Field(min_length=1, description="Its password. Give a secret.")]
    token_file: Annotated[
        AbsolutePath,
        Field(description="Where the machine keeps the access token. Its folder must exist. A change replaces it."),
    ]
    registration_token: Annotated[
        str | None, Field(description="What the homeserver takes for a new account. Give a secret.")
    ] = None
    device_id: Annotated[
        str, AfterValidator(_device), Field(description="Its device, for life. A change replaces the resource.")
    ] = "MAUBOT"
    logged_in: Annotated[bool, Field(description="That its token is good, as the homeserver says. Always true.")] = True
    deactivate: Annotated[
        bool, Field(description="Whether destroy closes the account for good, if it was registered here.")
    ] = False


class MatrixUserFacts(Facts):
    logged_in: bool = False
    user_id: str = Field(default="", description="The whole user id, as `@echo-bot:example.org`.")
    access_token: str = Field(default="", description="The device's access token.")


async def _open(session: Session, inputs: MatrixUserInputs) -> Homeserver:
    from providers.kinds.matrix.homeserver import Homeserver

    return Homeserver(session, await session.http(inputs.homeserver), inputs.homeserver)


async def _kept(session: Session, inputs: MatrixUserInputs) -> dict[str, str]:
    """Return what the token file says; nothing where it is not ours."""
    found = await session.stat(inputs.token_file, content=True)
    if found is None or not found.content:
        return {}
    try:
        kept = cast(dict[str, Any], json.loads(found.content))
        if kept["user"] != inputs.user:
            return {}
    except (ValueError, KeyError, TypeError):  # somebody else's
        return {}
    texts = {name: value for name, value in kept.items() if isinstance(value, str)}
    if not re.fullmatch(r"[!-~]+", texts.get("access_token", "")):  # edited: none that could go into a header
        texts.pop("access_token", None)
    return texts


async def observe(session: Session, inputs: MatrixUserInputs) -> MatrixUserFacts:
    kept = await _kept(session, inputs)
    async with await _open(session, inputs) as server:
        login = await server.whoami(kept["access_token"]) if kept.get("access_token") else None
        if login is not None and _is(login, inputs):
            return MatrixUserFacts(present=True, logged_in=True, user_id=login.user_id, access_token=login.access_token)
        there = bool(kept) or bool(await server.taken(inputs.user))
    # Not logged in: what depends on its token still has the last one.
    user_id, token = kept.get("user_id", ""), kept.get("access_token", "")
    return MatrixUserFacts(present=there, user_id=user_id, access_token=token)


def _is(login: Login, inputs: MatrixUserInputs) -> bool:
    """Return whether a token is the wished account's and device's. Some homeservers don't name the device."""
    user = login.user_id[1:].partition(":")[0]
    return user == inputs.user and login.device_id in ("", inputs.device_id)


async def apply(session: Session, inputs: MatrixUserInputs, facts: MatrixUserFacts) -> None:
    async with await _open(session, inputs) as server:
        if facts.logged_in:
            await _password_must_fit(server, inputs)
            return
        login, registered = None, (await _kept(session, inputs)).get(REGISTERED) == inputs.homeserver
        if not await server.taken(inputs.user):
            login = await server.register(inputs.user, inputs.password, inputs.device_id, inputs.registration_token)
            registered = registered or login is not None
        if login is None:
            login = await server.login(inputs.user, inputs.password, inputs.device_id)
    if not _is(login, inputs):
        raise NotConverged(
            f"the homeserver logged {login.user_id} in as its device {login.device_id}, and not {inputs.device_id}",
            remedy="give the device that it has as device-id",
        )
    text = json.dumps(
        {
            "homeserver": inputs.homeserver,
            "user": inputs.user,
            "user_id": login.user_id,
            "device_id": login.device_id,
            "access_token": login.access_token,
            **({REGISTERED: inputs.homeserver} if registered else {}),
        }
    )
    await session.write(inputs.token_file, f"{text}\n".encode(), mode="0600", owner="root", group="root")


async def _password_must_fit(server: Homeserver, inputs: MatrixUserInputs) -> None:
    """Try a password of the settings: one that is not the account's would be found out on the day it is needed."""
    trial = await server.login(inputs.user, inputs.password, f"{inputs.device_id}-TRIAL")
    await server.logout(trial.access_token)


async def restore(session: Session, inputs: MatrixUserInputs, before: MatrixUserFacts) -> None:
    if before.logged_in:
        return  # it was logged in by another resource, which has the file still
    kept = await _kept(session, inputs)
    token = kept.get("access_token")
    if token:
        # Not by `before`: some homeservers do not say whether a name is taken.
        ours = inputs.deactivate and kept.get(REGISTERED) == inputs.homeserver
        try:
            async with await _open(session, inputs) as server:
                if not (ours and await _closed(session, server, inputs, token, kept.get("user_id", inputs.user))):
                    await server.logout(token)
        except HearthError as error:
            remedy = "" if isinstance(error, NotAnswering) else f"; {error.remedy}"
            session.warn(f"{inputs.user} stays logged in at {inputs.homeserver}: {error.summary}{remedy}")
    await session.remove(inputs.token_file)


async def _closed(session: Session, server: Homeserver, inputs: MatrixUserInputs, token: str, user_id: str) -> bool:
    """Return whether the account could be closed; where the homeserver refuses, that is said, and destroy goes on."""
    from providers.kinds.matrix.homeserver import MatrixError

    try:
        await server.deactivate(token, user_id, inputs.password)
    except MatrixError as error:
        session.warn(f"{inputs.user} is not closed at {inputs.homeserver}: {error.summary}; {error.remedy}")
        return False
    return True


KIND = Kind(
    token="hearth:matrix:MatrixUser",
    inputs=MatrixUserInputs,
    facts=MatrixUserFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("user", "token_file", "device_id"),
    identify=lambda inputs: f"{inputs.token_file.removeprefix('/')}#{inputs.user}",
    outputs=("user_id", "access_token"),
    secret_outputs=("access_token",),
    # One registration after another: homeservers count them by address.
    locks=lambda inputs: (f"matrix:{inputs.homeserver}",),
    deadline=240.0,
    by_hand=lambda inputs: f"log the device {inputs.device_id} of {inputs.user} out; rm {inputs.token_file}",
)
