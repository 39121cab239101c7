"""The home of an account that is there: where it is, whose it is, and its mode. What lies in it stays as it is."""

from __future__ import annotations

from providers.errors import CommandFailed, HearthError, InvalidInput, NotConverged
from providers.kind import canonical
from providers.kinds.user.facts import HOMELESS, HomeFacts, UserFacts, UserInputs, same_path, text_of
from providers.machine.session import Account, Session, called
from toolchain.lines import lines_in

_ROOT = "bin boot dev etc home lib lib64 media mnt nonexistent opt proc run sbin srv sys tmp usr var"
_USR = "bin games lib libexec local sbin share"
_VAR = "backups cache lib list local lock log mail opt run spool tmp www"
SHARED = frozenset(
    [
        "/",
        *(
            f"{above}/{name}"
            for above, names in (("", _ROOT), ("/usr", _USR), ("/var", _VAR))
            for name in names.split()
        ),
    ]
)
"""Folders that are the machine's (file-system hierarchy, and homes of Debian's own accounts): never an account's."""


def widen(before: UserFacts, now: UserFacts) -> UserFacts:
    """Return what was there before with what is where the home is wished only now.

    Whether Hearth makes the home, so that its defaults hold, is said of the place where it is wished now.
    """
    if not now.homes:
        return before
    homes = {**now.homes, **before.homes}
    made = not homes[next(iter(now.homes))].present
    if homes == before.homes and made == before.home_made:
        return before
    return before.model_copy(update={"homes": homes, "home_made": made})


def homes_of(before: UserFacts, home: str | None) -> dict[str, HomeFacts]:
    """Return all that was there before of the account's homes, the deepest first; `home` is where it is now wished.

    A record from before they were noted one by one knows of the one.
    """
    homes = dict(before.homes)
    if not homes and home is not None:
        there = before.wished_home_exists or (not before.present and before.home_exists)
        mode, owner, group = before.wished_home_mode, before.wished_home_owner, before.wished_home_group
        if there and not mode:
            mode, owner, group = before.home_mode, before.home_user, before.home_group
        homes[home] = HomeFacts(present=there, mode=mode, owner=owner, group=group)
    return dict(sorted(homes.items(), key=lambda item: -item[0].count("/")))


async def set_home(session: Session, name: str, uid: int, home: str) -> None:
    """Set the home of an account, with its manager stopped for the moment: usermod refuses while it has processes."""
    manager = f"user@{uid}.service"
    state = (await session.run("systemctl", "is-active", manager, check=False)).stdout.strip()
    runs = state in ("active", "activating", "reloading")
    if runs or state == "deactivating":  # on its way out it has processes still; stop waits for the end of them
        session.progress(f"stopping what {name} runs on {session.machine}, to change its home")
        await session.run("systemctl", "stop", manager)
    try:
        done = await session.run("usermod", "--home", home, name, check=False)
        if not done.ok:
            raise CommandFailed(
                f"the home of {name} on {session.machine} could not be changed to {home}",
                status=done.status,
                detail=done.stderr,
                remedy=f"usermod refuses while {name} is logged in or runs something: end it (ps -u {name}), then run"
                " up again",
            )
    finally:
        if runs:
            await session.run("systemctl", "--no-block", "start", manager)


async def check_home(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    """Raise InvalidInput for a home that can't be made, or whose mode and owner are not the account's to have."""
    home = canonical(inputs.home or facts.at)
    managed = (inputs.home_mode, inputs.home_owner) != (None, None)
    found = await session.stat(home) if home.startswith("/") else None
    if found is not None and (
        (found.type in ("file", "other") and inputs.home is not None) or (found.type == "symlink" and managed)
    ):
        raise InvalidInput(
            f"{home}, the home of {inputs.name!r} on {session.machine}, is {called(found.type)}; nothing was changed",
            remedy="give the path of a folder (of a link: the path that it points to), or move it away",
        )
    if inputs.home not in (None, HOMELESS) and not facts.home_exists:
        parent = inputs.home.rpartition("/")[0] or "/"
        if await session.stat(parent) is None:
            raise InvalidInput(
                f"the home {inputs.home} of {inputs.name!r} lies in {parent}, which {session.machine} does not have;"
                " nothing was changed",
                remedy=f"make {parent} with a Directory that this User depends on",
            )
    if not managed:
        return
    why = ""
    if home in SHARED or not home.startswith("/"):
        why = "is the machine's own, and not the account's"
    elif others := await _others_at(session, home, inputs.name):
        why = f"is the home of {', '.join(others)} too"
    elif facts.wished_home_exists and inputs.home_owner is None and not _own(inputs, facts):
        why = f"belongs to {facts.wished_home_owner or facts.home_user}"
    elif not facts.wished_home_exists and facts.home_exists and inputs.home is None and inputs.home_owner is None:
        why = "" if facts.home_user == inputs.name else f"belongs to {facts.home_user}"
    if why:
        raise InvalidInput(
            f"{home}, the home of {inputs.name!r} on {session.machine}, {why}: it gets no mode and no"
            " owner of Hearth's; nothing was changed",
            remedy="leave home_mode and home_owner out; or give the account a home of its own; or, where the folder is"
            " to become the account's, set home_owner",
        )


async def _others_at(session: Session, home: str, name: str) -> list[str]:
    """Return other accounts with the same home."""
    return [other for other, place in await _homes_of_others(session, name) if same_path(home, place)]


async def others_below(session: Session, home: str, name: str) -> list[str]:
    """Return other accounts whose home that is, or lies in it."""
    within = f"{canonical(home)}/"
    others = await _homes_of_others(session, name)
    return [other for other, place in others if f"{canonical(place)}/".startswith(within)]


async def _homes_of_others(session: Session, name: str) -> list[tuple[str, str]]:
    lines = (line.split(":") for line in lines_in(await text_of(session, "/etc/passwd")))
    return [(fields[0], fields[5]) for fields in lines if len(fields) == 7 and fields[0] != name]


def _own(inputs: UserInputs, facts: UserFacts) -> bool:
    """Return whether what is where the home is wished is the account's, or would be: a number of one that is gone."""
    return facts.wished_home_owner in (inputs.name, str(facts.uid)) or facts.wished_home_owner.isdigit()


async def make_home(session: Session, inputs: UserInputs, account: Account) -> None:
    """Have the home there as it is wished.

    useradd makes none for an account that is there, and none that is not asked for.
    """
    if not account.home.startswith("/") or account.home == HOMELESS:
        return
    owner, _, group = (inputs.home_owner or "").partition(":")
    if owner and not group:
        found = account if owner == account.name else await session.account(owner)
        if found is None:
            raise NotConverged(
                f"there is no account {owner!r} on {session.machine} to own the home of {account.name!r}",
                remedy="correct home_owner, or declare the User and let this one depend on it",
            )
        group = found.group
    home = await session.stat(account.home)
    if home is None and inputs.home is not None:
        mode = inputs.home_mode or "0700"
        await session.make_directory(account.home, mode=mode, owner=owner or account.name, group=group or account.group)
    elif home is not None and (inputs.home_mode is not None or owner):
        await session.set_attributes(account.home, mode=inputs.home_mode, owner=owner or None, group=group or None)


async def put_home_back(session: Session, inputs: UserInputs, now: UserFacts, before: UserFacts) -> None:
    """Put the home back of an account that was there before."""
    if inputs.home is not None and now.at != before.at:
        await set_home(session, inputs.name, now.uid, before.at)
    if before.home_exists and (inputs.home_mode is not None or inputs.home_owner is not None):
        await attributes(session, before.at, before.home_mode, before.home_user, before.home_group)
    for home, was in homes_of(before, inputs.home).items():
        if same_path(home, before.at) or await session.stat(home) is None:
            continue
        if was.present:
            if was.mode:
                await attributes(session, home, was.mode, was.owner, was.group)
            continue
        try:
            await session.remove(home)
        except HearthError:
            session.warn(f"{home} on {session.machine}, the home that {inputs.name} had, stays with what is in it")


async def attributes(session: Session, path: str, mode: str, owner: str, group: str) -> None:
    if await session.stat(path) is None:
        session.warn(f"{path} on {session.machine} is gone, so its mode and owner were not put back")
    else:
        await session.set_attributes(path, mode=mode, owner=owner, group=group)
