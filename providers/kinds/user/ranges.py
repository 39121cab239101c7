"""An account's subordinate ids on a machine: which it shall have, and its lines in /etc/subuid and /etc/subgid."""

from __future__ import annotations

import asyncio

from providers.errors import InvalidInput, NotConverged
from providers.kinds.user.databases import edit, read
from providers.kinds.user.facts import HELPERS, UserFacts, UserInputs, differs, text_of
from providers.kinds.user.subordinate_ids import (
    FILES,
    Databases,
    Range,
    clash,
    free_range,
    has_enough,
    overlap,
    own_range,
    parse,
    parse_wish,
    with_lines,
)
from providers.machine.session import Session


async def wanted_range(session: Session, inputs: UserInputs, facts: UserFacts) -> Range | None:
    """Return the range to write down; None where what is there will do.

    Raises InvalidInput for one that is another's.
    """
    wish = inputs.subordinate_ids
    if wish is None or not differs("subordinate_ids", wish, facts.subordinate_ids):
        return None
    databases = Databases(
        *await asyncio.gather(*(text_of(session, path) for path in (*FILES, "/etc/passwd", "/etc/login.defs")))
    )
    uid = facts.uid if facts.present else None
    # An account that is gone may have left its lines.
    own = own_range(databases, inputs.name, uid)
    other = overlap(databases, inputs.name, uid)
    if has_enough(own, wish) and other is None:
        return None
    if facts.present and other is not None:
        # Neither is moved: files of both their containers have those numbers.
        raise InvalidInput(
            f"the subordinate ids {own} of {inputs.name!r} on {session.machine} overlap those of {other.owner!r}"
            f" ({other} in {other.source}): the two can act in each other's containers; nothing was changed",
            remedy=f"take the line that came later out of {' and '.join(FILES)}",
        )
    free = free_range(databases, inputs.name, uid)
    if wish == "auto" and facts.present:
        # Ranges of users alone, or of groups alone: the other ones are best the same.
        half = [each for line in (*facts.subuid_lines, *facts.subgid_lines) for each in parse(line)]
        free = next((each for each in half if clash(each, databases, inputs.name, uid) is None), free)
    if wish == "auto":
        if free is None:
            raise InvalidInput(
                f"{session.machine} has no 65536 subordinate ids left for {inputs.name!r}; nothing was changed",
                remedy="see /etc/subuid, /etc/subgid, and SUB_UID_MAX in /etc/login.defs",
            )
        return free
    asked = parse_wish(wish)
    other = clash(asked, databases, inputs.name, uid)
    if other is not None:
        raise InvalidInput(
            f"the subordinate ids {asked} asked for {inputs.name!r} on {session.machine} overlap those of"
            f" {other.owner!r} ({other} in {other.source}): the two could act in each other's containers, so nothing"
            " was changed",
            remedy=f"set subordinate ids to 'auto'{f', or to {free}, which is free' if free else ''}",
        )
    return asked


def lines_for(inputs: UserInputs, facts: UserFacts, wanted: Range) -> tuple[list[str], list[str]]:
    """Return the account's lines in /etc/subuid and in /etc/subgid; `auto` leaves those that are there."""
    new = [f"{inputs.name}:{wanted}"]
    if inputs.subordinate_ids != "auto" or not facts.present:
        return new, new
    return facts.subuid_lines or new, facts.subgid_lines or new


async def mend_helpers(session: Session) -> None:
    """Give newuidmap and newgidmap back the setuid bit that their package brings them with."""
    done = await session.run("sh", script=HELPERS, check=False)
    for path in done.stdout.split():
        found = await session.stat(path)
        if found is None or found.type != "file" or found.owner != "root" or int(found.mode, 8) & 0o022:
            raise NotConverged(
                f"{path} on {session.machine} hands out subordinate ids, and is not root's alone",
                remedy="see who changed it, then: apt-get install --reinstall uidmap",
            )
        session.warn(f"{path} on {session.machine} had lost its setuid bit, and has it back")
        await session.set_attributes(path, mode="4755")


async def write_lines(session: Session, name: str, uid: int | None, *lines: list[str]) -> None:
    """Give the account these lines in /etc/subuid and /etc/subgid (one list for both, or one for each)."""
    for path, new in zip(FILES, lines * 2 if len(lines) == 1 else lines, strict=True):
        old = await read(session, path)
        if old is not None:
            await edit(session, path, lambda text, new=new: with_lines(text, name, uid, new))
        elif new:
            await session.write(path, with_lines("", name, uid, new).encode(errors="surrogateescape"))
