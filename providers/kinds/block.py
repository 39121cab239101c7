"""A managed block of lines in a text file that others own too, as /etc/fstab.

The block stands between `# BEGIN hearth NAME` and `# END hearth NAME`. The rest of the file, its mode and its owner
are kept, byte for byte; a file that is not there is made, 0644 and root's. Where the very lines stand in the file
already, written by hand, the two markers are put around them, so that nothing is there twice; destroy takes the markers
away and leaves the lines. A file that blocks have made goes with the last of them, if nothing else is in it by then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import InvalidInput
from providers.kind import AbsolutePath, Facts, Inputs, Kind
from providers.kinds.file import path_to_identity
from providers.machine.session import FileType, Session, Stat

MARKER = re.compile(r"(\S+) (BEGIN|END) hearth (\S+)\s*")


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


def _comment(value: str) -> str:
    if not re.fullmatch(r"[^\s\x00]{1,8}", value):
        raise ValueError("must be what begins a comment in that file, as '#', ';' or '//': 1 to 8 characters, no space")
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
    comment: Annotated[str, AfterValidator(_comment), Field(description="What begins a comment in that file.")] = "#"


class BlockFacts(Facts):
    content: str = Field(default="", description="The lines of the block, each with its newline.")
    comment: str = ""
    by_hand: str = Field(default="", description="The same lines, where they stand in the file without markers.")
    file: bool = Field(default=False, description="Whether a file is there that is not made of blocks alone.")
    type: FileType = "file"


@dataclass(frozen=True)
class Span:
    """Where a block is: lines[first] is BEGIN, lines[last] is END."""

    first: int
    last: int
    comment: str


def lines_of(content: str) -> list[str]:
    """The lines of a content; one final newline more or less is the same."""
    return content.removesuffix("\n").split("\n") if content else []


def find(lines: Sequence[str], name: str) -> Span | None:
    """The block of that name. ValueError, with what is wrong, where its markers are not one BEGIN and then one END."""
    marks = [(number, found) for number, line in enumerate(lines) if (found := MARKER.fullmatch(line))]
    own = [(number, found[2], found[1]) for number, found in marks if found[3] == name]
    if not own:
        return None
    where = ", ".join(f"{word} in line {number + 1}" for number, word, _ in own)
    if [word for _, word, _ in own] != ["BEGIN", "END"]:
        raise ValueError(f"it has {where}, where one BEGIN and then one END belong")
    (first, _, comment), (last, _, _) = own
    if any(first < number < last for number, _ in marks):
        raise ValueError(f"it has {where}, and another block's marker in between")
    return Span(first, last, comment)


def in_blocks(lines: Sequence[str]) -> list[bool]:
    """For each line, whether it belongs to a block, a marker included."""
    result: list[bool] = []
    inside = False
    for line in lines:
        found = MARKER.fullmatch(line)
        result.append(inside or found is not None)
        if found is not None:
            inside = found[2] == "BEGIN"
    return result


def find_by_hand(lines: Sequence[str], content: str) -> int | None:
    """Number of the line where those very lines begin, in one piece and outside of every block; None where they do
    not, or hold nothing."""
    wanted, taken = lines_of(content), in_blocks(lines)
    if not any(line.strip() for line in wanted):
        return None
    for start in range(len(lines) - len(wanted) + 1):
        end = start + len(wanted)
        if list(lines[start:end]) == wanted and not any(taken[start:end]):
            return start
    return None


def only_blocks(lines: Sequence[str]) -> bool:
    """Whether there are blocks and nothing else: then a block made the file, and the last one takes it along."""
    taken = in_blocks(lines)
    return any(taken) and not any(line for line, inside in zip(lines, taken, strict=True) if not inside)


def with_block(text: str, name: str, content: str, comment: str) -> str:
    """`text` with the block: in its place where it is there, around the same lines written by hand, else at the end.

    Whether the text ends with a newline stays as it is, so that taking the block out again gives the same bytes.
    """
    lines = text.split("\n")
    block = [f"{comment} BEGIN hearth {name}", *lines_of(content), f"{comment} END hearth {name}"]
    span, start = find(lines, name), find_by_hand(lines, content)
    if span is not None:
        lines[span.first : span.last + 1] = block
    elif start is not None:
        lines[start : start + len(block) - 2] = block
    elif lines[-1] == "":
        lines[-1:] = [*block, ""]
    else:
        lines += block
    return "\n".join(lines)


def without_block(text: str, name: str, instead: str = "") -> str:
    """`text` without the block, or with the lines of `instead` in its place."""
    lines = text.split("\n")
    span = find(lines, name)
    if span is not None:
        lines[span.first : span.last + 1] = lines_of(instead)
    return "\n".join(lines)


def _readable(lines: Sequence[str]) -> str:
    """Lines as text; bytes that are not UTF-8, which the rest of a file may hold, become question marks."""
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape").decode(errors="replace")


def _text(stat: Stat) -> str:
    return (stat.content or b"").decode(errors="surrogateescape")


def facts_of(stat: Stat | None, name: str, content: str) -> BlockFacts:
    """What is there of the block; ValueError where its markers are damaged."""
    if stat is None:
        return BlockFacts(present=False)
    if stat.type != "file":
        return BlockFacts(present=False, type=stat.type)
    lines = _text(stat).split("\n")
    span, file = find(lines, name), not only_blocks(lines)
    if span is not None:
        found = _readable(lines[span.first + 1 : span.last])
        return BlockFacts(present=True, content=found, comment=span.comment, file=file)
    by_hand = _readable(lines_of(content)) if find_by_hand(lines, content) is not None else ""
    return BlockFacts(present=False, by_hand=by_hand, file=file)


async def _read(session: Session, inputs: BlockInputs) -> tuple[Stat | None, BlockFacts]:
    stat = await session.stat(inputs.path, content=True)
    try:
        # An import knows no content.
        return stat, facts_of(stat, inputs.name, getattr(inputs, "content", ""))
    except ValueError as error:
        raise InvalidInput(
            f"the block {inputs.name} in {inputs.path} on {session.machine} is damaged: {error}; nothing was changed",
            remedy=f"open {inputs.path}, and put the two marker lines right or remove both",
        ) from None


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
    text = _text(stat) if stat is not None else ""
    await _write(session, inputs.path, text, with_block(text, inputs.name, inputs.content, inputs.comment))


async def restore(session: Session, inputs: BlockInputs, before: BlockFacts) -> None:
    stat, now = await _read(session, inputs)
    if now.type != "file":
        session.warn(f"{inputs.path} on {session.machine} is a {now.type} by now: it was left alone")
        return
    text = _text(stat) if stat is not None else ""
    if before.present:
        wanted = with_block(text, inputs.name, before.content, before.comment)
    else:
        # Lines that were there by hand come back even where somebody has removed the block since.
        marked = with_block(text, inputs.name, before.by_hand, "#") if before.by_hand else text
        wanted = without_block(marked, inputs.name, before.by_hand)
    if stat is not None and wanted == "" and not before.file:
        await session.remove(inputs.path)
    else:
        await _write(session, inputs.path, text, wanted)


async def _write(session: Session, path: str, old: str, new: str) -> None:
    if new != old:
        await session.write(path, new.encode(errors="surrogateescape"))


def _fulfils(_field: str, wish: object, found: object) -> bool:
    return isinstance(wish, str) and isinstance(found, str) and lines_of(wish) == lines_of(found)


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
    locks=lambda inputs: (f"file:{inputs.path}",),
    differs=lambda field, wish, found: not _fulfils(field, wish, found),
    by_hand=lambda inputs: f"its lines in {inputs.path}, from the one with `BEGIN hearth {inputs.name}` on",
)
