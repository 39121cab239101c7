"""A managed block of lines in a text file that others own too, as /etc/fstab.

The block stands between `# BEGIN hearth NAME` and `# END hearth NAME`. The rest of the file, its mode and its owner
are kept, byte for byte; a file that is not there is made, 0644 and root's. Where the very lines stand in the file
already, written by hand, the two markers are put around them, so that nothing is there twice; destroy takes the markers
away and leaves the lines. A file that blocks have made goes with the last of them, if nothing else is in it by then.
A marker that was damaged is drift, and put right: of the lines beside it those go that the block is known to hold.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import InvalidInput, OperationRefused
from providers.kind import AbsolutePath, Facts, Inputs, Kind
from providers.kinds import made_files
from providers.kinds.accepting import Acceptance, InPlace, must_accept
from providers.kinds.block.text import (
    MARKER,
    Comment,
    Place,
    find,
    find_by_hand,
    lines_of,
    mended,
    only_blocks,
    out_of_place,
    with_block,
    without_block,
)
from providers.kinds.directory import refuse_missing_parent
from providers.kinds.file import path_to_identity
from providers.machine.session import FileType, Session, Stat

LIMIT = 64 * 1024 * 1024
"""Bytes of a file that a block may stand in: a list of hosts or addresses can be long. None of it gets into a state."""


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}", value):
        raise ValueError(
            "must be up to 64 letters, digits, '_', '-', '.', ':' and '@', beginning with one of the first"
        )
    return value


def _no_marker(value: str) -> str:
    if any(MARKER.fullmatch(line) for line in value.split("\n")):
        raise ValueError("must not hold a line as '# BEGIN hearth NAME': those mark where a block begins and ends")
    return value


def _comment(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[^\s\x00]{1,8}", value):
        raise ValueError(
            "must be what begins a comment in that file, as '#', ';' or '<!--': 1 to 8 characters, no space"
        )
    return value


def _comment_end(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"([^\w\s\x00]{1,8})?", value, re.ASCII):
        raise ValueError(
            "must be what ends a comment in that file, as '-->' or '*/': up to 8 signs, no letters or space"
        )
    return value


def _line(value: str | None) -> str | None:
    if value is not None and (not value.strip() or "\n" in value or MARKER.fullmatch(value)):
        raise ValueError("must be one line of the file, as it stands there (blanks around it do not matter)")
    return value


class BlockInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="The file it stands in. A change replaces the resource.")]
    name: Annotated[
        str, AfterValidator(_plain_name), Field(description="Tells blocks of one file apart. A change replaces it.")
    ]
    content: Annotated[
        str,
        AfterValidator(_no_marker),
        Field(description="The lines between the markers; a final newline may be left out."),
    ]
    comment: Annotated[
        str | None, AfterValidator(_comment), Field(description="What begins a comment in that file.")
    ] = None
    comment_end: Annotated[
        str | None, AfterValidator(_comment_end), Field(description="What ends a comment in that file, as '-->'.")
    ] = None
    before: Annotated[
        str | None,
        AfterValidator(_line),
        Field(description="A line of the file that the block stands somewhere before; a new one right before it."),
    ] = None
    after: Annotated[
        str | None,
        AfterValidator(_line),
        Field(description="A line of the file that the block stands somewhere after; a new one right after it."),
    ] = None
    validate: Acceptance = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    in_place: InPlace = False


class BlockFacts(Facts):
    content: str = Field(default="", description="The lines of the block, each with its newline.")
    comment: str = ""
    comment_end: str = ""
    before: str | None = Field(default=None, description="The wished line where the block stands so; else what is.")
    after: str | None = None
    line: int = Field(default=0, description="Number of the block's first line, from 0.")
    by_hand: str = Field(default="", description="The same lines, where they stand in the file without markers.")
    file: bool = Field(default=False, description="Whether a file is there that is not made of blocks alone.")
    existed: bool | None = Field(default=None, description="Whether a file is there; None in a record of long ago.")
    type: FileType = "file"
    unreadable: str = Field(default="", description="Why the block is not known: a damaged marker, a file too large.")


def _readable(lines: list[str]) -> str:
    """Return the lines as text; bytes that are not UTF-8, which the rest of a file may hold, become question marks."""
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape").decode(errors="replace")


def _text(stat: Stat | None) -> str:
    return ((stat.content if stat is not None else None) or b"").decode(errors="surrogateescape")


def facts_of(stat: Stat | None, inputs: BlockInputs) -> BlockFacts:
    """Return what is there of the block. Damaged markers are a fact as well."""
    if stat is None:
        return BlockFacts(present=False, existed=False)
    if stat.type != "file":
        return BlockFacts(present=False, existed=True, type=stat.type)
    if stat.unreadable:
        return _unknown(stat.unreadable, file=True)
    content = getattr(inputs, "content", "")  # an import knows none
    lines = _text(stat).split("\n")
    file = not only_blocks(lines)
    try:
        span = find(lines, inputs.name)
    except ValueError as error:
        return _unknown(f"damaged: {error}", file=file)
    if span is None:
        by_hand = _readable(lines_of(content)) if find_by_hand(lines, content) is not None else ""
        return BlockFacts(present=False, existed=True, by_hand=by_hand, file=file)
    wished = Place(inputs.before, inputs.after)
    away = out_of_place(lines, span, wished)
    return BlockFacts(
        present=True,
        content=_readable(lines[span.first + 1 : span.last]),
        comment=span.comment.begin,
        comment_end=span.comment.end,
        before=inputs.before if away.before is None else f"<stands behind it, in line {span.first + 1}>",
        after=inputs.after if away.after is None else f"<stands before it, in line {span.first + 1}>",
        line=span.first,
        file=file,
        existed=True,
    )


def _unknown(why: str, *, file: bool) -> BlockFacts:
    return BlockFacts(present=True, existed=True, file=file, content=f"<{why}>", unreadable=why)


async def _read(session: Session, inputs: BlockInputs) -> tuple[Stat | None, BlockFacts]:
    stat = await session.stat(inputs.path, content=True, limit=LIMIT)
    return stat, facts_of(stat, inputs)


async def observe(session: Session, inputs: BlockInputs) -> BlockFacts:
    return (await _read(session, inputs))[1]


async def apply(session: Session, inputs: BlockInputs, facts: BlockFacts) -> None:
    # Read again: this runs under the file's lock, and another block may have been written since `facts`.
    stat, now = await _read(session, inputs)
    if now.type != "file":
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is a {now.type}, and a Block can only stand in a file",
            remedy="give the path of a file (of a link: the path that it points to)",
        )
    if stat is not None and stat.unreadable:
        raise InvalidInput(
            f"{inputs.path} on {session.machine} can't be read: {stat.unreadable}; nothing was changed",
            remedy="see what fills it",
        )
    old = _text(stat)
    text = mended(old, inputs.name, inputs.content) if now.unreadable else old
    comment = Comment(
        now.comment or "#" if inputs.comment is None else inputs.comment,
        now.comment_end if inputs.comment_end is None else inputs.comment_end,
    )
    try:
        wanted = with_block(text, inputs.name, inputs.content, comment, Place(inputs.before, inputs.after))
    except LookupError as error:
        raise InvalidInput(
            f"{inputs.path} on {session.machine} has no line {error.args[0]!r} to put the block {inputs.name} beside;"
            " nothing was changed",
            remedy="write the line as it stands in the file, or leave before and after out: then it goes to the end",
        ) from None
    if stat is None:
        await refuse_missing_parent(session, inputs.path)
    if wanted != old and inputs.validate is not None:
        await must_accept(session, inputs.validate, inputs.path, wanted.encode(errors="surrogateescape"))
    if stat is None:
        await made_files.note_made(session, inputs.path)
    try:
        await _write(session, inputs, old, wanted)
    except OperationRefused as error:  # a write is done as a whole or not at all
        if stat is None:
            await made_files.forget(session, inputs.path)
        raise InvalidInput(error.summary, detail=error.detail, remedy=error.remedy) from None


async def restore(session: Session, inputs: BlockInputs, before: BlockFacts) -> None:
    stat, now = await _read(session, inputs)
    if now.type != "file" or (stat is not None and stat.unreadable):
        why = f"is a {now.type} by now" if stat is None or not stat.unreadable else f"can't be read: {stat.unreadable}"
        session.warn(f"{inputs.path} on {session.machine} {why}: it was left alone")
        return
    text = old = _text(stat)
    if now.unreadable:
        text = mended(old, inputs.name, inputs.content)
        session.warn(
            f"the block {inputs.name} in {inputs.path} on {session.machine} is {now.unreadable}: what is known to be"
            " of it was taken away; see whether anything beside it stays that should not"
        )
    if before.present:
        moved = inputs.before is not None or inputs.after is not None
        bare = without_block(text, inputs.name) if moved and now.line != before.line else text
        comment = Comment(before.comment, before.comment_end)
        wanted = with_block(bare, inputs.name, before.content, comment, line=before.line)
    else:
        # Lines that were there by hand come back even where somebody has removed the block since.
        marked = with_block(text, inputs.name, before.by_hand, "#") if before.by_hand else text
        wanted = without_block(marked, inputs.name, before.by_hand)
    if stat is None and not wanted:
        await made_files.forget(session, inputs.path)
        return
    if wanted == "" and await _ours(session, inputs, before):
        await session.remove(inputs.path)
        await made_files.forget(session, inputs.path)
        return
    await _write(session, inputs, old, wanted)
    if wanted and not only_blocks(wanted.split("\n")):
        await made_files.forget(session, inputs.path)


async def _ours(session: Session, inputs: BlockInputs, before: BlockFacts) -> bool:
    """Return whether a block made the file, this one or another: an empty one that was there stays."""
    if before.existed is None:
        return not before.file
    return await made_files.was_made(session, inputs.path)


async def _write(session: Session, inputs: BlockInputs, old: str, new: str) -> None:
    if new != old:
        await session.write(inputs.path, new.encode(errors="surrogateescape"), in_place=inputs.in_place)


def _differs(field: str, wish: object, found: object) -> bool:
    if field == "content" and isinstance(wish, str) and isinstance(found, str):
        return lines_of(wish) != lines_of(found)
    return wish != found


def _parse(identity: str) -> dict[str, str]:
    path, _, name = identity.rpartition("#")
    if not path or not name:
        raise InvalidInput(
            f"{identity!r} names no block: it must be the file's path, '#' and the block's name",
            remedy="write the id as machine/etc/fstab#share",
        )
    return {"path": f"/{path}", "name": name}


KIND = Kind(
    token="hearth:host:Block",
    inputs=BlockInputs,
    facts=BlockFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path", "name"),
    identify=lambda inputs: f"{path_to_identity(inputs.path)}#{inputs.name}",
    parse=_parse,
    defaults={"comment": "#", "comment_end": ""},
    locks=lambda inputs: (f"file:{inputs.path}",),
    differs=_differs,
    unkeepable=lambda facts: facts.unreadable,
    by_hand=lambda inputs: f"its lines in {inputs.path}, from the one with `BEGIN hearth {inputs.name}` on",
)
