"""What a block is wished to be, and what is there of it. See `kind` for what is managed."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from providers.kind import AbsolutePath, Facts, Inputs
from providers.kinds.accepting import Acceptance, InPlace
from providers.kinds.block import fstab
from providers.kinds.block.text import (
    END_OF_FILE,
    MARKER,
    Place,
    find,
    find_by_hand,
    lines_of,
    only_blocks,
    out_of_place,
)
from providers.kinds.takes_effect import FSTAB, Strangers, mount_points, strangers, with_reasons
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
    strangers: list[str] = Field(default_factory=list[str], description="Who may write into it and is not meant to.")
    file_mode: str = ""
    file_owner: str = ""
    no_folders: list[str] = Field(
        default_factory=list[str], description="Mount points of the wished lines of /etc/fstab where nothing is."
    )
    plain: str | None = Field(default=None, description="The lines, where `content` says what keeps them from effect.")


def _readable(lines: list[str]) -> str:
    """Return the lines as text; bytes that are not UTF-8, which the rest of a file may hold, become question marks."""
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape").decode(errors="replace")


def file_text(stat: Stat | None) -> str:
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
    lines = file_text(stat).split("\n")
    file = not only_blocks(lines)
    try:
        span = find(lines, inputs.name)
    except ValueError as error:
        return _unknown(f"damaged: {error}", file=file)
    if span is None:
        by_hand = _readable(lines_of(content)) if find_by_hand(lines, content) is not None else ""
        guard = _guard(stat, strangers(inputs.path, stat))
        return BlockFacts(present=False, existed=True, by_hand=by_hand, file=file, **guard)
    wished = Place(inputs.before, inputs.after)
    away = out_of_place(lines, span, wished)
    plain = _readable(lines[span.first + 1 : span.last])
    others = strangers(inputs.path, stat)
    obstacles = list(others.reasons)
    if inputs.path == FSTAB and wished == END_OF_FILE:
        obstacles += fstab.in_the_way(fstab.rivals(lines, plain, span), span)
    return BlockFacts(
        present=True,
        content=with_reasons(plain, obstacles),
        plain=plain if obstacles else None,
        **_guard(stat, others),
        comment=span.comment.begin,
        comment_end=span.comment.end,
        before=inputs.before if away.before is None else f"<stands behind it, in line {span.first + 1}>",
        after=inputs.after if away.after is None else f"<stands before it, in line {span.first + 1}>",
        line=span.first,
        file=file,
        existed=True,
    )


def _guard(stat: Stat, others: Strangers) -> dict[str, Any]:
    """Return the fields that say who else may write into the file, and how it was."""
    return {"strangers": list(others.reasons), "file_mode": stat.mode, "file_owner": stat.owner}


def _unknown(why: str, *, file: bool) -> BlockFacts:
    return BlockFacts(present=True, existed=True, file=file, content=f"<{why}>", unreadable=why)


async def read(session: Session, inputs: BlockInputs) -> tuple[Stat | None, BlockFacts]:
    stat = await session.stat(inputs.path, content=True, limit=LIMIT)
    return stat, facts_of(stat, inputs)


async def observe(session: Session, inputs: BlockInputs) -> BlockFacts:
    stat, facts = await read(session, inputs)
    if inputs.path == FSTAB:
        points = mount_points(getattr(inputs, "content", ""))
        found = await asyncio.gather(*(session.stat(point) for point in points))
        missing = [point for point, there in zip(points, found, strict=True) if there is None]
        facts = facts.model_copy(update={"no_folders": missing})
    if inputs.path == FSTAB and facts.present and not facts.unreadable:
        lines = file_text(stat).split("\n")
        if (span := find(lines, inputs.name)) is not None:
            for each in fstab.without_effect(fstab.rivals(lines, getattr(inputs, "content", ""), span), span):
                _tell_once(session, f"{inputs.path} on {session.machine}: {each}: the block's line counts")
    return facts


_told: set[str] = set()


def _tell_once(session: Session, message: str) -> None:
    if message not in _told:
        _told.add(message)
        session.warn(message)
