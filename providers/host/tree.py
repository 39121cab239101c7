"""What the kinds that own a whole folder share: making it, emptying it, giving it to another account."""

from __future__ import annotations

from providers.errors import InvalidInput
from providers.session import Session, Stat


async def ready_folder(session: Session, path: str, owner: str) -> None:
    """See that the folder is there, and that a new or empty one belongs to `owner`."""
    account = await session.account(owner)
    if account is None:
        raise InvalidInput(
            f"the user {owner}, who is to own {path}, does not exist on {session.machine}",
            remedy=f"add a User for {owner}, and name it in depends_on",
        )
    await session.make_directory(path, mode="0755", owner=owner, group=account.group)
    found = await session.stat(path, entries=True)
    if found is not None and not found.entries and found.owner != owner:
        await session.set_attributes(path, owner=owner, group=account.group)


async def change_owner(session: Session, path: str, old: str, new: str) -> None:
    """Give what belongs to `old` in the tree to `new` (`user:group`, or `user:` for its own group)."""
    await session.run("chown", "-R", "-h", f"--from={old}", "--", new, path)


async def clear(session: Session, path: str, found: Stat) -> None:
    """Empty a folder, which itself stays (it may be a mount point)."""
    for name in found.entries or ():
        await session.remove(f"{path}/{name}", recursive=True)
