"""A plugin in maubot: an .mbp archive, from a file on the operator's computer or built there from a folder.

Uploaded only if what the machine has differs, as an upload restarts the plugin's instances, and only if the machine's
Python compiles it. maubot puts an archive back by itself where the new one does not load. Not managed: the Python
packages that a plugin needs (see `Venv`), plugins that were uploaded in the web page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.kinds.matrix.common import CONFIG_FILE, LARGEST_ARCHIVE, ConfigFile, identified
from providers.kinds.matrix.way_back import what_can_not_go_stays
from providers.machine.session import Session

if TYPE_CHECKING:
    from providers.kinds.matrix.archive import Archive
    from providers.kinds.matrix.maubot_api import MaubotApi, MaubotError


class MaubotPluginInputs(Inputs):
    plugin: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Its id, as `sna.instagram`. A change replaces it."),
    ]
    source: Annotated[str, Field(description="An .mbp file, or a plugin's folder, on the operator's computer.")]
    sha256: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Of the archive that `source` makes (providers.kinds.matrix.archive); another one is drift.",
        ),
    ]
    config_file: ConfigFile = CONFIG_FILE


class MaubotPluginFacts(Facts):
    sha256: str = ""
    version: str = Field(default="", description="Its version, as its own definition has it.")
    archive: str = Field(default="", description="The archive, in base64.")


async def observe(session: Session, inputs: MaubotPluginInputs) -> MaubotPluginFacts:
    from providers.kinds.matrix.maubot_api import MaubotApi

    async with MaubotApi(session, inputs.config_file) as maubot:
        found = await maubot.get("plugin", inputs.plugin)
    if found is None:
        return MaubotPluginFacts(present=False)
    there = await session.stat(str(found.get("path", "")), content=True, limit=LARGEST_ARCHIVE)
    content = there.content if there is not None and there.content is not None else b""
    return MaubotPluginFacts(
        present=True,
        sha256=hashlib.sha256(content).hexdigest(),
        version=str(found.get("version", "")),
        archive=base64.b64encode(content).decode(),
    )


async def apply(session: Session, inputs: MaubotPluginInputs, facts: MaubotPluginFacts) -> None:
    from providers.kinds.matrix.archive import read
    from providers.kinds.matrix.compiles import must_compile
    from providers.kinds.matrix.maubot_api import MaubotApi, MaubotError

    if facts.sha256 == inputs.sha256:
        return
    archive = read(Path(inputs.source))
    if archive.plugin != inputs.plugin:
        raise InvalidInput(
            f"{inputs.source} is the plugin {archive.plugin}, and not {inputs.plugin}; nothing was uploaded",
            remedy="correct the id, or the path",
        )
    if archive.sha256 != inputs.sha256:
        raise InvalidInput(
            f"{inputs.source} has changed since the settings were read; nothing was uploaded",
            remedy="run up again: it takes the plugin as it is then",
        )
    await must_compile(session, archive)
    async with MaubotApi(session, inputs.config_file) as maubot:
        try:
            await maubot.put("plugin", inputs.plugin, content=archive.content)
        except MaubotError as error:
            if error.code != "internal_server_error":
                raise  # maubot has put the archive from before back by itself
            raise await _put_back(session, maubot, inputs, facts, archive, error) from error


async def _put_back(
    session: Session,
    maubot: MaubotApi,
    inputs: MaubotPluginInputs,
    facts: MaubotPluginFacts,
    archive: Archive,
    error: MaubotError,
) -> MaubotError:
    """Take an archive away that maubot neither loaded nor refused, and return the error that says so.

    What maubot meets there and does not expect gets past its own way back (0.6.0): the plugin's instances stay stopped,
    and its next start ends at that file, whatever name it gave it.
    """
    from providers.kinds.matrix.maubot_api import MaubotError

    if facts.archive:
        await maubot.put("plugin", inputs.plugin, content=base64.b64decode(facts.archive))
        left = "what was there before was put back, and runs"
    else:
        left = "it was taken away again"
    await _take_away(session, maubot, {archive.sha256, facts.sha256}, (await maubot.get("plugin", inputs.plugin)) or {})
    return MaubotError(
        f"maubot on {session.machine} could not load the plugin {inputs.plugin}; {left}",
        code=error.code,
        detail=error.detail,
        remedy="put the plugin right: maubot's log (journalctl -u maubot -n 50) has Python's own error",
    )


async def _take_away(session: Session, maubot: MaubotApi, sums: set[str], used: Mapping[str, Any]) -> None:
    """Remove archives of those sums from maubot's folder, but for the one in use."""
    folder = str((cast(dict[str, Any], maubot.settings.get("plugin_directories") or {})).get("upload", ""))
    there = await session.stat(folder, entries=True) if folder.startswith("/") else None
    for name in there.entries or () if there else ():
        path = f"{folder}/{name}"
        if not name.endswith(".mbp") or path == used.get("path"):
            continue
        found = await session.stat(path, content=True, limit=LARGEST_ARCHIVE)
        if found is not None and found.content and hashlib.sha256(found.content).hexdigest() in sums:
            await session.remove(path)


async def restore(session: Session, inputs: MaubotPluginInputs, before: MaubotPluginFacts) -> None:
    from providers.kinds.matrix.maubot_api import MaubotApi

    with what_can_not_go_stays(session, f"the plugin {inputs.plugin}"):
        async with MaubotApi(session, inputs.config_file) as maubot:
            if not before.present:
                await maubot.delete("plugin", inputs.plugin)
            elif before.archive:
                await maubot.put("plugin", inputs.plugin, content=base64.b64decode(before.archive))


KIND = Kind(
    token="hearth:matrix:MaubotPlugin",
    inputs=MaubotPluginInputs,
    facts=MaubotPluginFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("plugin", "config_file"),
    identify=lambda inputs: identified(inputs.config_file, inputs.plugin),
    outputs=("version",),
    locks=lambda inputs: (f"maubot:{inputs.config_file}",),
    deadline=120.0,
    by_hand=lambda inputs: f"remove the plugin {inputs.plugin} in maubot's web page",
)
