"""Which packages Hearth brought onto a machine: written down there, in one list.

Packages share dependencies and go in any order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from providers.machine.own_folder import OWN_FOLDER, make_own_folder
from providers.machine.session import Session

BROUGHT = f"{OWN_FOLDER}/packages.json"


@dataclass(frozen=True)
class Brought:
    """Packages that Hearth brought in: those asked for (name -> with what they recommend), and all that came.

    While one is being installed, what came is all that was not there `before`: known also where it was cut short.
    """

    asked: dict[str, bool] = field(default_factory=dict)
    came: frozenset[str] = frozenset()
    before: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Brought:
        found = json.loads(text)
        before = found.get("before")
        return cls(found["asked"], frozenset(found["came"]), None if before is None else frozenset(before))

    def text(self) -> str:
        record: dict[str, object] = {"asked": dict(sorted(self.asked.items())), "came": sorted(self.came)}
        if self.before is not None:
            record["before"] = sorted(self.before)
        return json.dumps(record, indent=1) + "\n"

    def installing(self, name: str, recommends: bool, before: frozenset[str], *, ours: bool = True) -> Brought:
        """While a package is being installed; not `ours` where it was there before, in another version."""
        return Brought({**self.asked, name: recommends} if ours else self.asked, self.came, before)

    def installed(self, now: frozenset[str]) -> Brought:
        return self if self.before is None else Brought(self.asked, self.came | (now - self.before))

    def without(self, name: str, gone: frozenset[str]) -> Brought:
        asked = {key: value for key, value in self.asked.items() if key != name and key not in gone}
        # With the last of ours gone, what is left of all that came is needed by others, and is theirs now.
        return Brought(asked, self.came - gone if asked or not name else frozenset())


async def read(session: Session) -> Brought:
    """Return what is written down; nothing, with a warning, where that can't be read."""
    found = await session.stat(BROUGHT, content=True)
    if found is None:
        return Brought()
    try:
        return Brought.parse((found.content or b"").decode())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        session.warn(
            f"{BROUGHT} on {session.machine}, where was written which packages Hearth brought, can't be read ({error}):"
            " dependencies that came along stay there"
        )
        return Brought()


async def keep(session: Session, brought: Brought) -> None:
    """Write it down; take the file away where there is nothing to say."""
    if brought.asked or brought.came:
        await make_own_folder(session)
        await session.write(BROUGHT, brought.text().encode(), mode="0600", owner="root", group="root")
        return
    await session.remove(BROUGHT)
    folder = await session.stat(OWN_FOLDER, entries=True)
    if folder is not None and not folder.entries:
        await session.remove(OWN_FOLDER)
