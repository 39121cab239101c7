"""An account's subordinate ids on a machine: which it shall have, and its lines in /etc/subuid and /etc/subgid."""

from __future__ import annotations

import asyncio

from providers.errors import InvalidInput
from providers.kinds.user.facts import UserFacts, UserInputs, differs, text_of
from providers.kinds.user.subordinate_ids import (
    FILES,
    Databases,
    Range,
    clash,
    free_range,
    own_range,
    parse_wish,
    with_lines,
)
from providers.machine.session import Session


async def wanted_range(session: Session, inputs: UserInputs, facts: UserFacts) -> Range | None:
    """The range to write down; None where what is there will do. Raises InvalidInput for one that is another's."""
    wish = inputs.subordinate_ids
    if wish is None or not differs("subordinate_ids", wish, facts.subordinate_ids):
        return None
    databases = Databases(
        *await asyncio.gather(*(text_of(session, path) for path in (*FILES, "/etc/passwd", "/etc/login.defs")))
    )
    uid = facts.uid if facts.present else None
    # An account that is gone may have left its lines.
    own = own_range(databases, inputs.name, uid)
    if (
        own
        and not differs("subordinate_ids", wish, own)
        and clash(parse_wish(own), databases, inputs.name, uid) is None
    ):
        return None
    free = free_range(databases, inputs.name, uid)
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


async def write_lines(session: Session, name: str, uid: int | None, *lines: list[str]) -> None:
    """Give the account these lines in /etc/subuid and /etc/subgid (one list for both, or one for each)."""
    for path, new in zip(FILES, lines * 2 if len(lines) == 1 else lines, strict=True):
        old = await text_of(session, path)
        text = with_lines(old, name, uid, new)
        if text != old:
            await session.write(path, text.encode(errors="surrogateescape"))
