"""A folder of files from the project on a machine: what is in it, with mode and owner by pattern.

Manages the files and links that the project's folder has, and the folders that they lie in; text or not, and each for
itself in diffs, in drift and on destroy. Does not make the folders above, and leaves alone what else is there, unless
it is `exact`. Empty folders are none of it, as git keeps none. A file that was there before comes back byte for byte,
with all that belongs to it; its very file is kept the while, where the file system allows it.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from providers.errors import HearthError, InvalidInput
from providers.kind import Facts, Kind
from providers.kinds.file import path_to_identity
from providers.kinds.takes_effect import FSTAB, LIST, Strangers, is_read, read_all_anew, strangers
from providers.kinds.tree import lines, source
from providers.kinds.tree.patterns import Look, Patterns, Rules
from providers.kinds.tree.settings import TreeInputs
from providers.machine.session import FileType, Session, Stat, shown

BATCH_FILES, BATCH_BYTES = 100, 2 * 1024 * 1024
"""Files and bytes that go in one request at most. Larger files go in pieces of so many bytes."""
STRANGER = "<not in the source>"


class TreeFacts(Facts):
    files: dict[str, str] = Field(default_factory=dict[str, str], description="What each file is, in a line.")
    type: FileType | None = Field(default=None, description="What is at the path.")
    closed: dict[str, dict[str, str]] = Field(
        default_factory=dict[str, dict[str, str]],
        description="Mode and owner with which those may not write into a file who are not meant to, by path.",
    )


def wished_files(inputs: TreeInputs) -> dict[str, str]:
    """Write a line for each file, link and folder of the source."""
    if inputs.path == "/" and inputs.exact:
        raise InvalidInput(
            "a Tree at / can't be exact: all that is on the machine would be in its way",
            remedy="leave exact out, or give the path of a folder",
        )
    found = source.read(inputs.source, inputs.exclude)
    rules = Rules(
        [{**rule, "pattern": rule["pattern"].removeprefix("./") or "./"} for rule in inputs.rules],
        files=Look(inputs.mode, inputs.owner, inputs.group),
        folders=Look(inputs.folder_mode, inputs.owner, inputs.group),
    )
    result = {folder: lines.wished_folder(rules.look(folder)) for folder in source.folders(found)}
    result |= {path: lines.wished(entry, rules.look(path)) for path, entry in found.items()}
    return dict(sorted(result.items()))


def _identity(inputs: TreeInputs) -> str:
    return path_to_identity(inputs.path) + (f"#{inputs.name}" if inputs.name else "")


def _wishes(inputs: TreeInputs) -> dict[str, dict[str, Any]]:
    return {path: lines.parsed(line) for path, line in (inputs.files or {}).items()}


def _about(inputs: TreeInputs) -> dict[str, Any]:
    """Return what each request about a Tree says, beside its path."""
    return {
        "key": hashlib.sha256(_identity(inputs).encode()).hexdigest()[:32],
        "files": _wishes(inputs),
        "exact": inputs.exact,
        "excluded": Patterns(inputs.exclude).expressions,
    }


async def observe(session: Session, inputs: TreeInputs) -> TreeFacts:
    found = await session.tree("look", inputs.path, **_about(inputs))
    if found["type"] != "directory":
        return TreeFacts(present=found["type"] is not None, type=found["type"])
    wishes = inputs.files or {}
    there: dict[str, str] = {}
    closed: dict[str, dict[str, str]] = {}
    for path, each in found["files"].items():
        others = _others(inputs, path, each)
        there[path] = lines.found(wishes[path], each, others.reasons)
        safe = {"mode": others.mode, "owner": others.owner}
        if others.reasons:
            closed[path] = {name: value for name, value in safe.items() if value is not None}
    there |= {shown(path): STRANGER for path in found["strangers"]}
    return TreeFacts(present=True, type="directory", files=dict(sorted(there.items())), closed=closed)


def _others(inputs: TreeInputs, path: str, there: Mapping[str, Any]) -> Strangers:
    """Return who may write into a file and is not meant to. What is wished of it, or new, is as it is meant to be."""
    wish = lines.parsed((inputs.files or {})[path])
    if there["type"] != "file" or "managed" not in wish or not there["kept"]:
        return Strangers()
    attributes = {LIST: ""} if there.get("listed") else {}
    stat = Stat("file", there["mode"], there["owner"], there["group"], there["size"], attributes=attributes)
    managed = wish["managed"]
    return strangers(_at(inputs, path), stat, mode="mode" in managed, owner="owner" in managed)


def _at(inputs: TreeInputs, path: str) -> str:
    """Return where on the machine a file of the tree is."""
    return posixpath.join(inputs.path, path)


async def _read_anew(session: Session, inputs: TreeInputs, changed: Mapping[str, bool], fstab: str) -> None:
    """Have whoever reads files of the tree read them; `changed`: path -> whether it is there now."""
    told = {_at(inputs, path): ("was", "is" if there else "") for path, there in changed.items()}
    if FSTAB in told:
        told[FSTAB] = (fstab, await _fstab(session, inputs))
    if any(map(is_read, told)):
        await read_all_anew(session, told)


async def _fstab(session: Session, inputs: TreeInputs) -> str:
    """Return the text of /etc/fstab, where the tree may hold it: a manager makes units of its lines."""
    if not FSTAB.startswith(inputs.path.rstrip("/") + "/"):
        return ""
    found = await session.stat(FSTAB, content=True)
    return "" if found is None else (found.content or b"").decode(errors="replace")


async def apply(session: Session, inputs: TreeInputs, facts: TreeFacts) -> None:
    about = _about(inputs)
    for path, safe in facts.closed.items():
        wish = about["files"][path]
        about["files"][path] = {**wish, **safe, "managed": sorted({*wish["managed"], *safe})}
    fstab = await _fstab(session, inputs)
    begun = await session.tree("begin", inputs.path, **about)
    if "refused" in begun:
        more = f"\n(and {begun['more']} more)" if begun["more"] else ""
        raise InvalidInput(
            f"the tree {inputs.source} can't be brought to {inputs.path} on {session.machine}; nothing was changed",
            detail="\n".join(map(shown, begun["refused"])) + more,
            remedy=begun["remedy"],
        )
    for said in begun["warnings"]:
        session.warn(f"{shown(said)} ({session.machine})")
    if begun["moved"]:
        names = ", ".join(map(shown, begun["moved"][:5])) + (" ..." if len(begun["moved"]) > 5 else "")
        session.warn(
            f"{inputs.path} on {session.machine} is to be exact: {names} went to {begun['aside']}, and comes back on"
            " destroy"
        )
    wishes: dict[str, dict[str, Any]] = about["files"]
    for batch in _batches(begun["send"], wishes):
        await _send(session, inputs, about["key"], batch, wishes)
    await _read_anew(session, inputs, {**dict(begun["changed"]), **dict.fromkeys(begun["send"], True)}, fstab)


def _batches(paths: Sequence[str], wishes: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return paths of files that go together: as many as fit, and those by themselves that do not fit at all."""
    batches: list[list[str]] = []
    room = 0
    for path in paths:
        size = wishes[path]["size"]
        if not batches or size > room or len(batches[-1]) == BATCH_FILES:
            batches.append([])
            room = BATCH_BYTES
        batches[-1].append(path)
        room -= size
    return batches


async def _send(
    session: Session, inputs: TreeInputs, key: str, batch: list[str], wishes: dict[str, dict[str, Any]]
) -> None:
    files: list[dict[str, Any]] = []
    for path in batch:
        wish = wishes[path]
        data = source.content(inputs.source, source.Entry(path), wish["sha256"])
        file = {name: wish[name] for name in ("mode", "owner", "group", "managed")} | {"path": path}
        if len(data) <= BATCH_BYTES:
            file["content"] = base64.b64encode(data).decode()
        else:
            session.progress(f"sending {inputs.path}/{path}, {len(data) // 1024 // 1024} MiB")
            for offset in range(0, len(data), BATCH_BYTES):
                piece = base64.b64encode(data[offset : offset + BATCH_BYTES]).decode()
                await session.tree("piece", inputs.path, file=path, offset=offset, content=piece)
        files.append(file)
    await session.tree("put", inputs.path, key=key, files=files)


async def adopt(session: Session, inputs: TreeInputs, facts: TreeFacts) -> None:
    """Note that all of it was there before: what is changed later is put back as it is now."""
    await apply(session, inputs, facts)


async def restore(session: Session, inputs: TreeInputs, before: TreeFacts) -> None:
    fstab = await _fstab(session, inputs)
    done = await session.tree("restore", inputs.path, key=_about(inputs)["key"])
    for said in done["warnings"]:
        session.warn(f"{shown(said)} ({session.machine})")
    await _read_anew(session, inputs, dict(done["changed"]), fstab)


async def explain(session: Session, inputs: TreeInputs, facts: TreeFacts) -> str:
    """Return why a tree is not as wished: a file system that keeps no owners or modes, most of the time."""
    try:
        found = await session.run(
            "findmnt", "--noheadings", "--output", "FSTYPE,TARGET", "--target", inputs.path, check=False
        )
    except HearthError:
        return ""
    kind, _, point = found.stdout.strip().partition(" ")
    return f"the file system there ({kind}, mounted at {point.strip()}) may not keep owners and modes, or a program" + (
        " on the machine writes there as well"
    )


KIND = Kind(
    token="hearth:host:Tree",
    inputs=TreeInputs,
    facts=TreeFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    adopt=adopt,
    explain=explain,
    identity=("path", "name"),
    identify=_identity,
    computed={"files": wished_files},
    itemized=("files",),
    locks=lambda inputs: (f"file:{inputs.path}",),
    deadline=600.0,
    by_hand=lambda inputs: f"what the project's {inputs.source} has, in {inputs.path}",
)
