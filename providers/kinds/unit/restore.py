"""Putting a unit back as it was before Hearth: its file, its links, whether it runs, what it made on the side.

Each part is derived from what was, and tried whatever became of the others: the last line of a destroy says what stays.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable

from providers.errors import HearthError
from providers.kinds.unit import systemd
from providers.kinds.unit.aside import remove_aside
from providers.kinds.unit.facts import STAMPS, UNFINISHED, UnitFacts, folder_of, observe, stamp_of
from providers.kinds.unit.links import change_links, steps_back
from providers.kinds.unit.lockout import keeps_way_in
from providers.kinds.unit.made_folders import remove_if_empty, remove_made_folders
from providers.kinds.unit.overruled import forget_room, give_room_back
from providers.kinds.unit.settings import UnitInputs
from providers.kinds.unit.systemd import Manager
from providers.machine.session import Session


async def restore(session: Session, inputs: UnitInputs, before: UnitFacts) -> None:
    now = await observe(session, inputs)
    if not now.path:
        await _restore_without_account(session, inputs)
        return
    gone = not before.known and not before.file_text and not before.link
    stops = now.active and not before.active and (gone or inputs.running is not None)
    disables = bool(now.enabled) and not before.enabled and inputs.enabled is not None
    if await keeps_way_in(session, inputs, now, stops=stops or disables):
        return
    manager = Manager(session, inputs.user)
    try:
        if not now.manager_up:
            await manager.ready()
            now = await observe(session, inputs)
    except HearthError:
        await _restore_without_manager(session, inputs, now, before)
    else:
        await _restore(manager, inputs, now, before, gone=gone)
    if await give_room_back(session, inputs) and now.manager_up:
        await _try(session, manager.reload())
        if before.active and inputs.text is not None:
            await _try(session, manager.start(before.service, inputs.start_timeout, restart=True))
    await session.remove(stamp_of(inputs))
    await remove_if_empty(session, STAMPS)
    await remove_made_folders(session, now.path.rpartition("/")[0])


def _same_file(now: UnitFacts, before: UnitFacts) -> bool:
    texts = [None if text is None else text.removesuffix(UNFINISHED) for text in (now.file_text, before.file_text)]
    return texts[0] == texts[1] and (now.binary, now.link) == (before.binary, before.link)


def _same_attributes(now: UnitFacts, before: UnitFacts) -> bool:
    return (now.mode, now.owner, now.group) == (before.mode, before.owner, before.group)


async def _try(session: Session, work: Awaitable[object]) -> None:
    """Try one part of the way back: where it fails, the others are still tried, and it is said."""
    try:
        await work
    except HearthError as error:
        session.warn(f"a part of the way back on {session.machine} failed, and the rest went on: {error.summary}")


async def _restore(manager: Manager, inputs: UnitInputs, now: UnitFacts, before: UnitFacts, *, gone: bool) -> None:
    session = manager.session
    refile = inputs.text is not None and not (_same_file(now, before) and _same_attributes(now, before))
    quietly = gone and manager.reads_new(inputs.name, inputs.text or "")
    if now.active and not before.active and (gone or inputs.running is not None):
        await _try(session, manager.ctl("stop", now.service))
    relink = _links_back(inputs, now, before, gone=gone)
    if now.enabled and before.links is None and not before.enabled and not systemd.is_quadlet(inputs.name):
        await _try(session, manager.ctl("--no-reload", "disable", now.service))  # a record without links
    await _try(session, change_links(session, relink, inputs.user))
    # The same bytes, edited and repaired meanwhile, are from then, which restarts nothing.
    redate = inputs.text is not None and before.modified not in (None, now.modified)
    if refile or redate:
        await _try(session, _put_back(session, now, before))
    if refile or relink:
        forgotten = quietly and (await manager.show(now.service)).get("LoadState") == "not-found"
        if not forgotten:
            await manager.reload()
    if before.active and (refile or inputs.running is not None or inputs.text is not None):
        if refile and now.active:
            await _try(session, manager.start(before.service, inputs.start_timeout, restart=True))
        elif not now.active:
            await _try(session, manager.start(before.service, inputs.start_timeout))
    elif now.active_state == "failed" and before.active_state != "failed":
        await manager.ctl("reset-failed", now.service, check=False)
    # Also where a file of that name was there already: what had never been started had made nothing.
    if not before.aside and not before.active and (gone or inputs.running is not None):
        await _try(session, remove_aside(session, inputs))


def _links_back(inputs: UnitInputs, now: UnitFacts, before: UnitFacts, *, gone: bool) -> list[str]:
    """Return the changes of links that lead back to those of before."""
    if now.links is None or before.links is None:
        return []
    if inputs.enabled is None and inputs.text is None and not before.masked:
        return []
    # The unit's own file is put back with its text, whatever it was.
    own = frozenset({now.path} if inputs.text is not None else ())
    remove = gone or inputs.enabled is not None
    return steps_back(now.links, before.links, now.folders, before.folders, leave=own, remove=remove)


async def _put_back(session: Session, now: UnitFacts, before: UnitFacts) -> None:
    text = before.file_text
    if text is not None:
        content = base64.b64decode(before.binary) if before.binary else text.removesuffix(UNFINISHED).encode()
        await session.write(
            now.path,
            content,
            mode=before.mode,
            owner=before.owner,
            group=before.group,
            modified=before.modified,
        )
    elif before.link:
        target = base64.b64decode(before.link_bytes).decode(errors="surrogateescape") or before.link
        await session.symlink(now.path, target)
    else:
        await session.remove(now.path)


async def _restore_without_account(session: Session, inputs: UnitInputs) -> None:
    """Somebody has removed the account by hand: what Hearth keeps about the unit goes, and its file where it is known.

    What was there before went with the account; its home may still be there.
    """
    if inputs.home is not None and inputs.text is not None:
        folder = folder_of(inputs, inputs.home)
        path = f"{folder}/{inputs.name}"
        found = await session.stat(path, content=True)
        if found is not None and found.content == inputs.text.encode():
            await session.remove(path)
            await remove_made_folders(session, folder)
    await forget_room(session, inputs)
    await session.remove(stamp_of(inputs))
    await remove_if_empty(session, STAMPS)


async def _restore_without_manager(session: Session, inputs: UnitInputs, now: UnitFacts, before: UnitFacts) -> None:
    """Put files back alone: the account's manager does not run, so nothing of it does."""
    if inputs.text is not None and not _same_file(now, before):
        await _put_back(session, now, before)
    gone = not before.known and not before.file_text and not before.link
    await _try(session, change_links(session, _links_back(inputs, now, before, gone=gone), inputs.user))
