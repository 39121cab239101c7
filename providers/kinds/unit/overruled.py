"""Units of others that win over the file that Hearth writes: where they are, and how they make room.

A full unit in ~/.config/systemd/user wins over what Quadlet generates, one in /etc/systemd/system.control over all.
Over a file that Hearth has written already it is what drifted, and a repair moves it aside: it keeps its content, its
owner and its folder, under a name that systemd does not read, and destroy gives it its own back. Where Hearth has
written nothing yet, the unit is another's, and the wish for one in its place is refused. Source: systemd.unit(5).
"""

from __future__ import annotations

import re

from providers.errors import InvalidInput
from providers.kinds.unit import systemd
from providers.kinds.unit.facts import STAMPS, UnitFacts, stamp_of
from providers.kinds.unit.settings import UnitInputs
from providers.machine.own_folder import PRIVATE, make_own_folder
from providers.machine.session import Session, shown

_ABOVE = ("system.control", "user.control", "/transient/", "generator.early")
"""Folders whose units win over those in /etc/systemd/system and ~/.config/systemd/user."""
_KEPT = ("/transient/", "generator.early", "/etc/systemd/user/")
"""Folders whose units programs make again by themselves, or that are every account's."""
ASIDE = ".hearth-aside"


def winner(inputs: UnitInputs, facts: UnitFacts) -> str:
    """Return the path of somebody else's file that the manager uses in place of the one that Hearth writes; or ""."""
    if inputs.text is None:
        return ""
    if any(part in facts.fragment for part in _ABOVE):
        return facts.fragment
    if not systemd.is_quadlet(inputs.name):
        return ""
    if facts.fragment and "/generator" not in facts.fragment:
        # What Quadlet generates wins over what a package brings, and over nothing else.
        return "" if facts.fragment.startswith(("/usr/", "/lib/")) else facts.fragment
    return facts.source if facts.content is not None and facts.source not in ("", facts.path) else ""


def can_make_room(facts: UnitFacts, other: str) -> bool:
    """Return whether a winner is to be moved aside: it came over a file of ours, and is no program's or others'."""
    return facts.file_text is not None and not any(part in other for part in _KEPT)


def refuse(session: Session, inputs: UnitInputs, facts: UnitFacts, other: str) -> None:
    """Raise InvalidInput: the unit is another's."""
    raise InvalidInput(
        f"{facts.service} on {session.machine} is {other}, which wins over {facts.path}: what Hearth writes there"
        " has no effect. Nothing was changed",
        remedy=f"see who put it there; move {other} away and run `systemctl daemon-reload`"
        f"{f' as {inputs.user} (--user)' if inputs.user else ''}, or take this Unit out of the program",
    )


def _note(inputs: UnitInputs) -> str:
    return f"{stamp_of(inputs)}{ASIDE}"


async def _noted(session: Session, inputs: UnitInputs) -> list[str]:
    found = await session.stat(_note(inputs), content=True)
    text = "" if found is None else (found.content or b"").decode(errors="surrogateescape")
    return [line for line in text.split("\n") if line]


async def make_room(session: Session, inputs: UnitInputs, other: str) -> None:
    """Move somebody else's unit aside, and note where it is."""
    noted = await _noted(session, inputs)
    aside, number = f"{other}{ASIDE}", 1
    while await session.stat(aside) is not None:
        number += 1
        aside = f"{other}{ASIDE}-{number}"
    await make_own_folder(session)
    await session.make_directory(STAMPS, **PRIVATE)
    text = "".join(f"{each}\n" for each in dict.fromkeys([*noted, aside])).encode(errors="surrogateescape")
    await session.write(_note(inputs), text, mode="0600", owner="root", group="root")
    # As the account where the folder is its own: nothing that it may have planted there leads elsewhere.
    await session.run("mv", "-n", "--", other, aside, user=inputs.user)
    session.warn(
        f"{shown(other)} on {session.machine} had come over {inputs.name}, which had no effect any more: it was moved"
        f" to {shown(aside)}; destroy moves it back"
    )


async def forget_room(session: Session, inputs: UnitInputs) -> None:
    """Forget what was moved aside: its account is gone."""
    await session.remove(_note(inputs))


async def give_room_back(session: Session, inputs: UnitInputs) -> bool:
    """Move back what was moved aside; whether there was anything. What has a new file in its place stays aside."""
    moved = False
    for aside in await _noted(session, inputs):
        other = re.sub(rf"{re.escape(ASIDE)}(-\d+)?$", "", aside)
        if await session.stat(aside) is None:
            continue
        if await session.stat(other) is not None:
            session.warn(f"{shown(aside)} on {session.machine} stays: {shown(other)} is there again")
            continue
        await session.run("mv", "-n", "--", aside, other, user=inputs.user)
        moved = True
    await session.remove(_note(inputs))
    return moved
