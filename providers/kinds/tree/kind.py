"""A folder of files from the project on a machine: what is in it, with mode and owner by pattern.

Manages the files and links that the project's folder has, and the folders that they lie in; text or not, and each for
itself in diffs, in drift and on destroy. Does not make the folders above, and leaves alone what else is there, unless
it is `exact`. Empty folders are none of it, as git keeps none. A file that was there before comes back byte for byte,
with all that belongs to it; its very file is kept the while, where the file system allows it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter

from providers.errors import HearthError, InvalidInput
from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Kind, Mode
from providers.kinds.file import path_to_identity
from providers.kinds.tree import lines, source
from providers.kinds.tree.patterns import Look, Patterns, Rules, plain
from providers.machine.session import FileType, Session, shown

BATCH_FILES, BATCH_BYTES = 100, 2 * 1024 * 1024
"""Files and bytes that go in one request at most. Larger files go in pieces of so many bytes."""
STRANGER = "<not in the source>"
_RULE = {
    "pattern": TypeAdapter[Any](Annotated[str, AfterValidator(plain)]),
    "mode": TypeAdapter[Any](Mode),
    "owner": TypeAdapter[Any](AccountName),
    "group": TypeAdapter[Any](AccountName),
}


def _source(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value in ("", ".") or "\\" in value or value.startswith("~"):
        raise ValueError(
            "must be a folder of the project, by its path from the folder of Pulumi.yaml on, as 'files/site': a preview"
            " elsewhere must find it too"
        )
    return str(path)


def _patterns(value: list[str]) -> list[str]:
    return [plain(each) for each in value]


def _rules(value: list[dict[str, str]]) -> list[dict[str, str]]:
    result: list[dict[str, str]] = []
    for rule in value:
        unknown = sorted(rule.keys() - _RULE.keys())
        if unknown or "pattern" not in rule or len(rule) < 2:
            raise ValueError(
                "must be rules as {'pattern': '*.key', 'mode': '0600', 'owner': 'ann', 'group': 'ann'}, each with a"
                f" pattern and one of the others at least{f'; {unknown[0]!r} is none of them' if unknown else ''}"
            )
        result.append({name: _RULE[name].validate_python(text) for name, text in rule.items()})
    return result


class TreeInputs(Inputs):
    path: Annotated[
        AbsolutePath, Field(description="The folder on the machine. Its parent must exist. A change replaces it.")
    ]
    source: Annotated[
        str, AfterValidator(_source), Field(description="The folder in the project, from that of Pulumi.yaml on.")
    ]
    name: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:@-]{0,63})?$",
            description="Tells Trees at one path apart, as two in /etc. A change replaces the Tree.",
        ),
    ] = ""
    mode: Annotated[
        Mode | None,
        Field(
            description="Permission bits of the files. Left out, a new one gets `0644`, or `0755` where it may be run"
            " in the project, and one that is there keeps its own."
        ),
    ] = None
    folder_mode: Annotated[
        Mode | None,
        Field(
            description="Permission bits of the folders. Left out, a new one gets `0755`, and one that is there keeps"
            " its own."
        ),
    ] = None
    owner: Annotated[
        AccountName | None,
        Field(
            description="Name or number of the user who owns all of it. Left out, what is new gets `root`, and what is"
            " there keeps its own."
        ),
    ] = None
    group: Annotated[
        AccountName | None,
        Field(
            description="Name or number of the group that owns all of it. Left out, what is new gets `root`, and what"
            " is there keeps its own."
        ),
    ] = None
    rules: Annotated[
        list[dict[str, str]],
        AfterValidator(_rules),
        Field(
            description="Mode, owner and group of what a pattern matches, as {'pattern': '*.key', 'mode': '0600'}. Of"
            " several that match, the last one that speaks of a property decides it. Patterns are those of .gitignore;"
            " a folder gets a mode only by one that ends with a slash, './' is the tree's own.",
            default_factory=list,
        ),
    ]
    exclude: Annotated[
        list[str],
        AfterValidator(_patterns),
        Field(
            description="Patterns of what is neither brought nor, on the machine, a stranger; as in .gitignore.",
            default_factory=list,
        ),
    ]
    exact: Annotated[
        bool,
        Field(
            description="Whether what the source does not have is drift. It is moved out of the way then, and comes"
            " back on destroy."
        ),
    ] = False
    files: Annotated[
        dict[str, str] | None,
        Field(description="What each file is to be, in a line. It follows from the source: nobody gives it."),
    ] = None


class TreeFacts(Facts):
    files: dict[str, str] = Field(default_factory=dict[str, str], description="What each file is, in a line.")
    type: FileType | None = Field(default=None, description="What is at the path.")


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
    there = {path: lines.found(wishes[path], each) for path, each in found["files"].items()}
    there |= {shown(path): STRANGER for path in found["strangers"]}
    return TreeFacts(present=True, type="directory", files=dict(sorted(there.items())))


async def apply(session: Session, inputs: TreeInputs, facts: TreeFacts) -> None:
    about = _about(inputs)
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
    for said in await session.tree("restore", inputs.path, key=_about(inputs)["key"]):
        session.warn(f"{shown(said)} ({session.machine})")


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
