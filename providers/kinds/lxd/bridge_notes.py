"""What a machine's network files were before the first of its bridges: kept once for all of them, on the machine.

Two interfaces may be configured in one file, as netplan and ifupdown have it. The record of the later bridge has that
file without the earlier one's interface, so the records alone lead back in the reverse order only, and bridges go in
any: one alone is taken out of the settings, or a member leaves. The notes go with the last bridge.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from providers.kinds.lxd.bridge_files import Renderer
from providers.kinds.lxd.bridge_takeover import CLOUD_INIT, take_over
from providers.machine.own_folder import OWN_FOLDER, make_own_folder
from providers.machine.session import Session

PATH = f"{OWN_FOLDER}/network-files.json"
Entry = Mapping[str, Any] | None
"""A file as link_look.py tells of it: content (base64), mode, uid, gid. None: there was none."""


@dataclass(frozen=True)
class BridgeNotes:
    """Which bridges have taken files over, and what these files were."""

    files: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    bridges: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Name -> nic, mac and renderer."""
    held: tuple[str, ...] = ()
    """Those that are there: a try that was cut short may have left a note of one that is not."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> BridgeNotes:
        """Return what a look at a machine found; an earlier Hearth's look, in a record, did not ask."""
        noted: Mapping[str, Any] = found.get("noted") or {}
        return cls(noted.get("files") or {}, noted.get("bridges") or {}, tuple(noted.get("held") or ()))

    def with_bridge(
        self, name: str, about: Mapping[str, str], paths: Iterable[str], found: Mapping[str, Any]
    ) -> BridgeNotes:
        """Return the notes once a bridge takes these files over; what was noted before stays as it is."""
        if name not in self.bridges and found["nic"]["master"] == name:
            return self  # of an earlier Hearth, which took its files over without a note
        begun = name in self.bridges or bool(self.held)
        files = dict(self.files) if begun else {}
        for path in paths:
            if not of_a_bridge(path):
                files.setdefault(path, found["files"].get(path))
        return BridgeNotes(files, {**(self.bridges if begun else {}), name: dict(about)}, self.held)

    def without(self, name: str) -> BridgeNotes:
        """Return the notes once a bridge has gone: none, where no other is there."""
        held = tuple(each for each in self.held if each != name)
        others = {each: about for each, about in self.bridges.items() if each != name}
        return BridgeNotes(self.files, others, held) if held else BridgeNotes()

    def before(self, name: str, recorded: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the files as they were before any bridge; a bridge without a note has its record alone."""
        return {**recorded, **self.files} if name in self.bridges else dict(recorded)

    def still_taken(self, wanted: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return files as they are to be for the bridges of these notes, which stay: their interfaces out of them."""
        found = dict(wanted)
        for name in self.held:
            about = self.bridges[name]
            texts = {path: text_of(entry) for path, entry in found.items() if entry is not None}
            taken = take_over(texts, about["nic"], about["mac"], cast(Renderer, about["renderer"])).texts
            for path in taken.keys() & found.keys():
                text, old = taken[path], found[path] or {"mode": "0644", "uid": 0, "gid": 0}
                found[path] = None if text is None else {**old, "content": _encoded(text)}
        if self.held:
            found.pop(CLOUD_INIT, None)
        return found

    async def keep(self, session: Session) -> None:
        """Write the notes down on the machine; where there is nothing to note, nothing stays there."""
        if not self.bridges:
            await session.remove(PATH)
            return
        await make_own_folder(session)
        text = json.dumps({"files": dict(self.files), "bridges": dict(self.bridges)}, indent=1)
        await session.write(PATH, text.encode(), mode="0600", owner="root", group="root")


def of_a_bridge(path: str) -> bool:
    """Whether a file is a bridge's own, which comes and goes with it."""
    return "hearth" in path and path != CLOUD_INIT


def text_of(entry: Entry) -> str:
    """Return a file's text; empty where there is none."""
    return "" if entry is None else base64.b64decode(entry["content"]).decode(errors="surrogateescape")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode()
