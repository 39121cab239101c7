"""An instance in maubot: a plugin, run by a client, with a config of its own.

Of the config only the given keys are managed, compared as data; the rest is the plugin's. A key that the plugin does
not know, which it drops without a word, is an error here; so is a start that failed, to which maubot answers "200 OK".
The instance's own database is data: it stays, whole, with `database: keep`, and the next instance of that name has it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from providers.errors import NotConverged
from providers.kind import Facts, Inputs, Kind
from providers.kinds.matrix.common import CONFIG_FILE, ConfigFile, UserId, identified
from providers.kinds.matrix.way_back import what_can_not_go_stays
from providers.machine.session import Session

SUFFIXES = ("", "-wal", "-shm")
"""A SQLite database is up to three files (sqlite.org/wal.html)."""
ASIDE = ".kept"


class MaubotInstanceInputs(Inputs):
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$",
            description="Its id: lowercase letters, digits, '.', '_', '-'. A change replaces the resource.",
        ),
    ]
    type: Annotated[str, Field(min_length=1, description="The id of its plugin, as `sna.instagram`.")]
    primary_user: Annotated[UserId, Field(description="The client that runs it.")]
    config: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="Its config: the keys that are managed; the rest is the plugin's."),
    ]
    enabled: Annotated[bool | None, Field(description="Whether it starts with its client.")] = None
    started: Annotated[bool | None, Field(description="Whether it runs now.")] = None
    database: Annotated[
        Literal["keep", "remove"], Field(description="What becomes of its own database on destroy.")
    ] = "keep"
    recheck_on: Annotated[
        list[str] | None,
        Field(
            description="What its start depends on, as its plugin's digest. A change has it looked at again: maubot"
            " disables an instance that does not start with a new plugin, and says so in its log alone."
        ),
    ] = None
    config_file: ConfigFile = CONFIG_FILE


class MaubotInstanceFacts(Facts):
    type: str = ""
    primary_user: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = False
    started: bool = False
    text: str = Field(default="", description="The whole config, as maubot keeps it.")


async def observe(session: Session, inputs: MaubotInstanceInputs) -> MaubotInstanceFacts:
    from providers.kinds.matrix.config_text import loads, ours
    from providers.kinds.matrix.maubot_api import MaubotApi

    async with MaubotApi(session, inputs.config_file) as maubot:
        found = await maubot.get("instance", inputs.name)
    if found is None:
        return MaubotInstanceFacts(present=False)
    text = str(found.get("config") or "")
    return MaubotInstanceFacts(
        present=True,
        type=str(found.get("type")),
        primary_user=str(found.get("primary_user")),
        config=ours(loads(text), inputs.config),
        enabled=bool(found.get("enabled")),
        started=bool(found.get("started")),
        text=text,
    )


def differs(name: str, wish: Any, found: Any) -> bool:
    """Return whether a found value falls short of the wish: of a config only the wished keys count."""
    if name != "config":
        return bool(wish != found)
    from providers.kinds.matrix.config_text import ours

    return ours(found, wish) != wish


async def apply(session: Session, inputs: MaubotInstanceInputs, facts: MaubotInstanceFacts) -> None:
    from providers.kinds.matrix.config_text import dumps, loads, merged, missing
    from providers.kinds.matrix.maubot_api import MaubotApi

    async with MaubotApi(session, inputs.config_file) as maubot:
        await _bring_back(session, maubot.settings, inputs.name)
        found = await maubot.get("instance", inputs.name)
        runs = inputs.started if inputs.started is not None else found is not None and bool(found.get("started"))
        body: dict[str, Any] = {
            "type": inputs.type,
            "primary_user": inputs.primary_user,
            **({} if inputs.enabled is None else {"enabled": inputs.enabled}),
        }
        config = loads(str(found.get("config") or "")) if found else {}
        wished = merged(config, inputs.config)
        if found is None or wished != config:
            body["config"] = dumps(wished)
            if found is not None and found.get("started"):
                # Read anew from its beginning: not every plugin minds a config that changes under it.
                await maubot.put("instance", inputs.name, {"started": False})
        found = await maubot.put("instance", inputs.name, body)
        if bool(found.get("started")) != runs:
            found = await maubot.put("instance", inputs.name, {"started": runs})
        found = await maubot.get("instance", inputs.name) or {}
    if runs and not found.get("started"):
        raise NotConverged(
            f"maubot took the instance {inputs.name}, and it did not start"
            + ("; maubot has disabled it" if inputs.enabled is not False and not found.get("enabled") else ""),
            remedy="see maubot's log (journalctl -u maubot -n 50): it has the plugin's own error"
            if inputs.enabled is not False
            else "an instance that is not enabled can't be started: set enabled, or started: false",
        )
    dropped = missing(loads(str(found.get("config") or "")), inputs.config)
    if dropped:
        raise NotConverged(
            f"the plugin {inputs.type} does not know {', '.join(f'config.{key}' for key in dropped)} and has dropped it"
            f"; the instance {inputs.name} runs without",
            remedy="correct the name after the plugin's base-config.yaml, or take it out",
        )


def _databases(settings: Mapping[str, Any], name: str) -> str | None:
    """Return the path of an instance's own SQLite database; None where maubot's folder for them is no absolute path."""
    folders = cast(dict[str, Any], settings.get("plugin_databases") or {})
    folder = str(folders.get("sqlite", ""))
    return posixpath.join(folder, f"{name}.db") if folder.startswith("/") else None


async def _bring_back(session: Session, settings: Mapping[str, Any], name: str) -> None:
    """Take back what was put aside, if a removal was cut short."""
    path = _databases(settings, name)
    if path is None or await session.stat(f"{path}{ASIDE}") is None or await session.stat(path) is not None:
        return
    for suffix in SUFFIXES:
        if await session.stat(f"{path}{ASIDE}{suffix}") is not None:
            await session.run("mv", "--", f"{path}{ASIDE}{suffix}", f"{path}{suffix}")


async def restore(session: Session, inputs: MaubotInstanceInputs, before: MaubotInstanceFacts) -> None:
    from providers.kinds.matrix.maubot_api import MaubotApi

    with what_can_not_go_stays(session, f"the instance {inputs.name}"):
        async with MaubotApi(session, inputs.config_file) as maubot:
            if before.present:
                body = {"type": before.type, "primary_user": before.primary_user, "config": before.text}
                await maubot.put("instance", inputs.name, {**body, "enabled": before.enabled})
                await maubot.put("instance", inputs.name, {"started": before.started})
                return
            path = _databases(maubot.settings, inputs.name)
            found = await maubot.get("instance", inputs.name)
            if found is not None and found.get("started"):
                await maubot.put("instance", inputs.name, {"started": False})  # its database is closed, and whole
            if inputs.database == "keep" and path is not None and found is not None:
                # maubot removes the file of the instance's name: it must not find it.
                for suffix in SUFFIXES:
                    if await session.stat(f"{path}{suffix}") is not None:
                        await session.run("mv", "--", f"{path}{suffix}", f"{path}{ASIDE}{suffix}")
            await maubot.delete("instance", inputs.name)
            if inputs.database == "keep":
                await _bring_back(session, maubot.settings, inputs.name)
            elif path is not None:
                for suffix in SUFFIXES:
                    await session.remove(f"{path}{suffix}")


def _parsed(identity: str) -> dict[str, Any]:
    from providers.kinds.matrix.common import parsed

    config_file, name = parsed(identity)
    return {"config_file": config_file, "name": name, "type": "imported", "primary_user": "@imported:here"}


KIND = Kind(
    token="hearth:matrix:MaubotInstance",
    inputs=MaubotInstanceInputs,
    facts=MaubotInstanceFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name", "config_file"),
    identify=lambda inputs: identified(inputs.config_file, inputs.name),
    defaults={"enabled": True, "started": True},
    parse=_parsed,
    differs=differs,
    locks=lambda inputs: (f"maubot:{inputs.config_file}",),
    deadline=120.0,
    by_hand=lambda inputs: f"remove the instance {inputs.name} in maubot's web page",
)
