"""What the kinds that own a whole folder share: GitCheckout and Venv."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import Facts
from providers.kinds.directory import refuse_missing_parent
from providers.machine.session import Account, FileType, Session, Stat, called


class OwnedFolderFacts(Facts):
    owner: str = ""
    group: str = ""
    mode: str = ""
    type: FileType | None = Field(default=None, description="What is at the path, whether or not it is such a thing.")
    entries: int = Field(default=0, description="How many names are in the folder.")


def folder_facts(stat: Stat, names: set[str]) -> dict[str, Any]:
    """Return the fields of OwnedFolderFacts but `present`; `names` are those in the folder that count."""
    return {"owner": stat.owner, "group": stat.group, "mode": stat.mode, "type": stat.type, "entries": len(names)}


async def refuse_folder(session: Session, path: str, owner: str, facts: OwnedFolderFacts, what: str) -> Account:
    """InvalidInput where a folder can't be made `owner`'s: it is another's, or would lose things. The owner's account.

    `what` names the thing that a kind makes in it, as "git checkout": one that is there already is fine.
    """
    if not facts.present and (facts.entries or facts.type not in (None, "directory")):
        found = "a folder with other things in it" if facts.type == "directory" else called(facts.type or "other")
        raise InvalidInput(
            f"{path} on {session.machine} is {found}, and no {what}", remedy="move it away, or choose another path"
        )
    if facts.present and owner == "root" and facts.owner != "root":
        raise InvalidInput(
            f"the {what} {path} on {session.machine} belongs to {facts.owner}, and holds programs that would be run:"
            " root does not take over another account's",
            remedy=f"set owner to {facts.owner!r}, or move it away",
        )
    account = await session.account(owner)
    if account is None:
        raise InvalidInput(
            f"the user {owner}, who is to own {path}, does not exist on {session.machine}",
            remedy=f"add a User for {owner}, and name it in depends_on",
        )
    if facts.type is None:
        await refuse_missing_parent(session, path)
    return account


async def take_folder(session: Session, path: str, owner: str, facts: OwnedFolderFacts, what: str) -> None:
    """See that there is a folder that belongs to `owner`, unless that is refused."""
    account = await refuse_folder(session, path, owner, facts, what)
    if facts.type is None:
        await session.make_directory(path, mode="0755", owner=owner, group=account.group)
    elif facts.owner != owner:
        await change_owner(session, path, facts.owner, f"{owner}:")


async def change_owner(session: Session, path: str, old: str, new: str) -> None:
    """Give what belongs to `old` in the tree to `new` (`user:group`, or `user:` for its own group)."""
    await session.run("chown", "-R", "-h", f"--from={old}", "--", new, path)


async def put_folder_back(session: Session, path: str, before: OwnedFolderFacts) -> bool:
    """Undo `take_folder`, and all that was made in a folder that was not there or was empty.

    True where a thing was there before, which the kind puts back itself.
    """
    if before.type is None:
        await session.remove(path, recursive=True)
        return False
    if before.type != "directory" or (before.entries and not before.present):
        return False  # it was refused
    found = await session.stat(path, entries=True)
    if found is None or found.type != "directory":
        session.warn(f"{path} on {session.machine} was removed or replaced by somebody: it was left as it is")
        return False
    if before.present:
        return True
    # Emptied and not removed: it may be a mount point.
    for name in found.entries or ():
        await session.remove(f"{path}/{name}", recursive=True)
    await session.set_attributes(path, mode=before.mode, owner=before.owner, group=before.group)
    return False


async def put_owner_back(session: Session, path: str, owner: str, before: OwnedFolderFacts) -> None:
    """Give what `owner` has by now in the tree back to who had it."""
    if owner != before.owner:
        await change_owner(session, path, owner, f"{before.owner}:{before.group}")
