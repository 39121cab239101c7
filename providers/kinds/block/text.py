"""Where a block stands in a text, and the text with it, without it, and with what was damaged of it put right.

Pure functions. A text is as `surrogateescape` decodes it: all bytes of a file stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MARKER = re.compile(r"(\S+) (BEGIN|END) hearth (\S+?)(?: ([^\w\s]{1,8}))?\s*")


@dataclass(frozen=True)
class Comment:
    """How a comment is written in a file: what begins it, and what ends it where something has to."""

    begin: str = "#"
    end: str = ""

    def marker(self, word: str, name: str) -> str:
        return f"{self.begin} {word} hearth {name}" + (f" {self.end}" if self.end else "")


@dataclass(frozen=True)
class Span:
    """Where a block is: lines[first] is BEGIN, lines[last] is END."""

    first: int
    last: int
    comment: Comment


@dataclass(frozen=True)
class Place:
    """Where a new block goes: next to a line, or at the end."""

    before: str | None = None
    after: str | None = None


END_OF_FILE = Place()


def lines_of(content: str) -> list[str]:
    """Return the lines of a content; one final newline more or less is the same."""
    return content.removesuffix("\n").split("\n") if content else []


def find(lines: Sequence[str], name: str) -> Span | None:
    """Return the block of that name.

    ValueError, with what is wrong, where its markers are not one BEGIN and then one END.
    """
    marks = [(number, found) for number, line in enumerate(lines) if (found := MARKER.fullmatch(line))]
    own = [(number, found) for number, found in marks if found[3] == name]
    if not own:
        glued = [number for number, line in enumerate(lines) if _glued(lines, line, name)]
        if glued:
            raise ValueError(f"line {glued[0] + 1} holds its marker and something else")
        return None
    where = ", ".join(f"{found[2]} in line {number + 1}" for number, found in own)
    if [found[2] for _, found in own] != ["BEGIN", "END"]:
        raise ValueError(f"it has {where}, where one BEGIN and then one END belong")
    (first, begin), (last, end) = own
    if begin[1] != end[1]:
        raise ValueError(f"it has {where}, and they do not begin alike")
    if any(first < number < last for number, _ in marks):
        raise ValueError(f"it has {where}, and another block's marker in between")
    return Span(first, last, Comment(begin[1], begin[4] or ""))


def in_blocks(lines: Sequence[str]) -> list[bool]:
    """Return for each line whether it belongs to a block, a marker included."""
    result: list[bool] = []
    inside = False
    for line in lines:
        found = MARKER.fullmatch(line)
        result.append(inside or found is not None)
        if found is not None:
            inside = found[2] == "BEGIN"
    return result


def find_by_hand(lines: Sequence[str], content: str) -> int | None:
    """Return the number of the line where those very lines begin, in one piece and outside of every block.

    None where they do not, or hold nothing.
    """
    wanted, taken = lines_of(content), in_blocks(lines)
    if not any(line.strip() for line in wanted):
        return None
    for start in range(len(lines) - len(wanted) + 1):
        end = start + len(wanted)
        if list(lines[start:end]) == wanted and not any(taken[start:end]):
            return start
    return None


def only_blocks(lines: Sequence[str]) -> bool:
    """Return whether there are blocks and nothing else."""
    taken = in_blocks(lines)
    return any(taken) and not any(line for line, inside in zip(lines, taken, strict=True) if not inside)


def line_like(lines: Sequence[str], wished: str, *, last: bool) -> int | None:
    """Return the number of the first or last line, outside of every block, that is the same but for outer blanks."""
    taken = in_blocks(lines)
    found = [n for n, line in enumerate(lines) if line.strip() == wished.strip() and not taken[n]]
    return None if not found else found[-1 if last else 0]


def out_of_place(lines: Sequence[str], span: Span, place: Place) -> Place:
    """Return those of the lines that a block is to stand before or after that it does not stand so to.

    A line that is not there is no reason to move a block.
    """
    before = None if place.before is None else line_like(lines, place.before, last=False)
    after = None if place.after is None else line_like(lines, place.after, last=True)
    return Place(
        place.before if before is not None and before < span.first else None,
        place.after if after is not None and after > span.last else None,
    )


def with_block(
    text: str, name: str, content: str, comment: Comment | str, place: Place = END_OF_FILE, line: int | None = None
) -> str:
    """Return `text` with the block.

    It is in its place where it is there, around the same lines written by hand, else next to the line that `place`
    names (LookupError where there is no such line), before the line number `line`, or at the end.

    Whether the text ends with a newline stays as it is, so that taking the block out again gives the same bytes.
    """
    comment = Comment(comment) if isinstance(comment, str) else comment
    lines = text.split("\n")
    block = [comment.marker("BEGIN", name), *lines_of(content), comment.marker("END", name)]
    span, start = find(lines, name), find_by_hand(lines, content)
    if span is not None:
        away = out_of_place(lines, span, place)
        if away == END_OF_FILE:
            lines[span.first : span.last + 1] = block
            return "\n".join(lines)
        del lines[span.first : span.last + 1]
        start = None
    if start is not None:
        lines[start : start + len(block) - 2] = block
    elif place != END_OF_FILE:
        at = _beside(lines, place)
        lines[at:at] = block
    elif line is not None:
        lines[line:line] = block
    elif lines[-1] == "":
        lines[-1:] = [*block, ""]
    else:
        lines += block
    return "\n".join(lines)


def _beside(lines: Sequence[str], place: Place) -> int:
    """Before which line a block goes."""
    if place.before is not None:
        at = line_like(lines, place.before, last=False)
    else:
        at = line_like(lines, place.after or "", last=True)
    if at is None:
        raise LookupError(place.before if place.before is not None else place.after)
    return at if place.before is not None else at + 1


def without_block(text: str, name: str, instead: str = "") -> str:
    """Return `text` without the block, or with the lines of `instead` in its place."""
    lines = text.split("\n")
    span = find(lines, name)
    if span is not None:
        lines[span.first : span.last + 1] = lines_of(instead)
    return "\n".join(lines)


# --- what was damaged ---


def _glued(lines: Sequence[str], line: str, name: str) -> tuple[str, str, str] | None:
    """Return a line's marker of `name` with what stands before and behind it, None where it is another block's marker.

    `echo x >>file` after a file without a final newline leaves such a line.
    """
    found = re.search(rf"\S+ (BEGIN|END) hearth {re.escape(name)}(?: [^\w\s]{{1,8}}(?=\s|$))?", line)
    if found is None:
        return None
    whole = MARKER.fullmatch(line)
    if whole is not None and (whole[3] == name or whole[2] == "BEGIN" or _begins(lines, whole[3])):
        return None
    return line[: found.start()], found[0], line[found.end() :]


def _before_marker(lines: Sequence[str], name: str, begin: str) -> str:
    """Return what stands right before a BEGIN marker on its line: as much as its END does not begin with."""
    ends = [found[1] for line in lines if (found := MARKER.fullmatch(line)) and found[2] == "END" and found[3] == name]
    return next((begin.removesuffix(end) for end in ends if begin != end and begin.endswith(end)), "")


def _begins(lines: Sequence[str], name: str) -> bool:
    return any(found[2] == "BEGIN" and found[3] == name for line in lines if (found := MARKER.fullmatch(line)))


def mended(text: str, name: str, content: str) -> str:
    """Return `text` with at most one whole block of `name`, empty, where the first part of a damaged one stood.

    Of the lines beside a marker that has lost its other one, those go that are lines of `content`; whatever else there
    is may be somebody's, and stays.
    """
    lines: list[str] = []
    given = text.split("\n")
    for line in given:
        glued = _glued(given, line, name)
        lines += [line] if glued is None else [part for part in glued if part.strip()]
    ours = lines_of(content)
    result: list[str] = []
    first: int | None = None
    comment = Comment()
    number = 0
    while number < len(lines):
        found = MARKER.fullmatch(lines[number])
        if found is None or found[3] != name:
            result.append(lines[number])
            number += 1
            continue
        begin = found[1]
        if found[2] == "BEGIN":
            kept = _before_marker(lines, name, begin)
            begin = begin[len(kept) :]
            result += [kept] if kept else []
        if first is None:
            first, comment = len(result), Comment(begin, found[4] or "")
        if found[2] == "BEGIN":
            number = _behind(lines, number, name, ours)
        else:
            first -= _taken_off(result, ours, first)
            number += 1
    if first is not None:
        result[first:first] = [comment.marker("BEGIN", name), comment.marker("END", name)]
    return "\n".join(result)


def _behind(lines: Sequence[str], begin: int, name: str, ours: Sequence[str]) -> int:
    """Return the number of the line behind a block that begins in line `begin`.

    That is behind its END, where that comes before any other marker, else behind those lines that are ours.
    """
    for number in range(begin + 1, len(lines)):
        found = MARKER.fullmatch(lines[number])
        if found is not None:
            if found[2] == "END" and found[3] == name:
                return number + 1
            break
    number = begin + 1
    for each in ours:
        if number < len(lines) and lines[number] == each:
            number += 1
    return number


def _taken_off(result: list[str], ours: Sequence[str], first: int) -> int:
    """Take those lines off the end that are ours; by how many `first` moves up."""
    before = len(result)
    for each in reversed(ours):
        if result and result[-1] == each:
            result.pop()
    return max(0, first - len(result)) if before else 0
