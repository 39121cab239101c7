"""A managed block of lines in a text file that others own too, as /etc/fstab.

The block stands between `# BEGIN hearth NAME` and `# END hearth NAME`. The rest of the file, its mode and its owner
are kept, byte for byte; a file that is not there is made, 0644 and root's. Where the very lines stand in the file
already, written by hand, the two markers are put around them, so that nothing is there twice; destroy takes the markers
away and leaves the lines. A file that blocks have made goes with the last of them, if nothing else is in it by then.
A marker that was damaged is drift, and put right: of the lines beside it those go that the block is known to hold.
"""

from __future__ import annotations

from providers.errors import HearthError, InvalidInput, OperationRefused
from providers.kind import Kind
from providers.kinds import made_files
from providers.kinds.accepting import must_accept
from providers.kinds.block import fstab
from providers.kinds.block.facts import BlockFacts, BlockInputs, file_text, observe, read
from providers.kinds.block.text import (
    Comment,
    Place,
    find,
    find_by_hand,
    lines_of,
    mended,
    only_blocks,
    with_block,
    without_block,
)
from providers.kinds.directory import refuse_missing_parent
from providers.kinds.file import path_to_identity
from providers.kinds.takes_effect import FSTAB, mount_points, read_anew, strangers
from providers.machine.session import Session, called


async def apply(session: Session, inputs: BlockInputs, facts: BlockFacts) -> None:
    # Read again: this runs under the file's lock, and another block may have been written since `facts`.
    stat, now = await read(session, inputs)
    if now.type != "file":
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is {called(now.type)}, and a Block can only stand in a file",
            remedy="give the path of a file (of a link: the path that it points to)",
        )
    if stat is not None and stat.unreadable:
        raise InvalidInput(
            f"{inputs.path} on {session.machine} can't be read: {stat.unreadable}; nothing was changed",
            remedy="see what fills it",
        )
    old = file_text(stat)
    text = mended(old, inputs.name, inputs.content) if now.unreadable else old
    text, line = _first(text, inputs)
    comment = Comment(
        now.comment or "#" if inputs.comment is None else inputs.comment,
        now.comment_end if inputs.comment_end is None else inputs.comment_end,
    )
    try:
        wanted = with_block(text, inputs.name, inputs.content, comment, Place(inputs.before, inputs.after), line)
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
    if stat is not None and (others := strangers(inputs.path, stat)).reasons:
        await session.set_attributes(inputs.path, mode=others.mode, owner=others.owner)


def _first(text: str, inputs: BlockInputs) -> tuple[str, int | None]:
    """Return `text` without a block that others' lines come before, and the line to put it before; else `text`."""
    if inputs.path != FSTAB or (inputs.before, inputs.after) != (None, None):
        return text, None
    lines = text.split("\n")
    span = find(lines, inputs.name)
    others = fstab.rivals(lines, inputs.content, span)
    by_hand = span is None and find_by_hand(lines, inputs.content) is not None
    if by_hand or not others or (span is not None and others[0][0] > span.last):
        return text, None
    return without_block(text, inputs.name), others[0][0]


async def restore(session: Session, inputs: BlockInputs, before: BlockFacts) -> None:
    stat, now = await read(session, inputs)
    if now.type != "file" or (stat is not None and stat.unreadable):
        why = (
            f"is {called(now.type)} by now"
            if stat is None or not stat.unreadable
            else f"can't be read: {stat.unreadable}"
        )
        session.warn(f"{inputs.path} on {session.machine} {why}: it was left alone")
        return
    text = old = file_text(stat)
    if now.unreadable:
        text = mended(old, inputs.name, inputs.content)
        session.warn(
            f"the block {inputs.name} in {inputs.path} on {session.machine} is {now.unreadable}: what is known to be"
            " of it was taken away; see whether anything beside it stays that should not"
        )
    if before.present:
        moved = inputs.before is not None or inputs.after is not None or inputs.path == FSTAB
        bare = without_block(text, inputs.name) if moved and now.line != before.line else text
        comment = Comment(before.comment, before.comment_end)
        content = before.content if before.plain is None else before.plain
        wanted = with_block(bare, inputs.name, content, comment, line=before.line)
    else:
        # Lines that were there by hand come back even where somebody has removed the block since.
        marked = with_block(text, inputs.name, before.by_hand, "#") if before.by_hand else text
        wanted = without_block(marked, inputs.name, before.by_hand)
    if stat is None and not wanted:
        await made_files.forget(session, inputs.path)
        return
    if wanted == "" and await _ours(session, inputs, before):
        await session.remove(inputs.path)
        await read_anew(session, inputs.path, old, "")
        await made_files.forget(session, inputs.path)
        return
    await _write(session, inputs, old, wanted)
    await _remove_mount_points(session, before, wanted)
    if before.strangers:
        await session.set_attributes(inputs.path, mode=before.file_mode, owner=before.file_owner)
    if wanted and not only_blocks(wanted.split("\n")):
        await made_files.forget(session, inputs.path)


async def _remove_mount_points(session: Session, before: BlockFacts, text: str) -> None:
    """Remove the folders that systemd has made to mount on, where they are empty and no other line has them."""
    for point in set(before.no_folders) - set(mount_points(text)):
        try:
            await session.remove(point)
        except HearthError as error:
            session.warn(f"{point} on {session.machine}, made to mount on, stays: {error.summary}")


async def _ours(session: Session, inputs: BlockInputs, before: BlockFacts) -> bool:
    """Return whether a block made the file, this one or another: an empty one that was there stays."""
    if before.existed is None:
        return not before.file
    return await made_files.was_made(session, inputs.path)


async def _write(session: Session, inputs: BlockInputs, old: str, new: str) -> None:
    if new != old:
        await session.write(inputs.path, new.encode(errors="surrogateescape"), in_place=inputs.in_place)
        await read_anew(session, inputs.path, old, new)


async def explain(session: Session, inputs: BlockInputs, facts: BlockFacts) -> str:
    """Return why a block is not as wished."""
    if facts.strangers:
        return f"{facts.strangers[0]}, and that could not be taken away"
    if facts.unreadable:
        return f"it is {facts.unreadable}"
    return f"{inputs.path} holds another text than a moment ago: a program on the machine writes it as well"


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
    explain=explain,
    by_hand=lambda inputs: f"its lines in {inputs.path}, from the one with `BEGIN hearth {inputs.name}` on",
)
