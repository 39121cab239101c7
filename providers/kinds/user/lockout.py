"""Changes of the account that Hearth logs in as: what would close the way in is refused, or left undone by destroy."""

from __future__ import annotations

from providers.kinds.user.databases import GROUP, read, with_members
from providers.kinds.user.facts import UserFacts, UserInputs, differs, same_path
from providers.machine.session import Session
from providers.machine.way_in import refusal, still_root, way_in
from toolchain.lines import lines_in


async def check_way_in(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    """Raise InvalidInput where the wish would close our own way in."""
    shell = inputs.shell if inputs.shell is not None and inputs.shell != facts.shell else None
    home = inputs.home if inputs.home is not None and not same_path(inputs.home, facts.at) else None
    groups = inputs.groups if inputs.groups is not None and differs("groups", inputs.groups, facts.groups) else None
    mode = inputs.home_mode if inputs.home_mode is not None and inputs.home_mode != facts.home_mode else None
    owner = inputs.home_owner if inputs.home_owner not in (None, facts.home_owner) else None
    if inputs.allow_lockout or not facts.present or (shell, home, groups, mode, owner) == (None,) * 5:
        return
    why = await closes(session, inputs.name, facts, shell=shell, home=home, groups=groups, mode=mode, owner=owner)
    if why:
        raise refusal(session, f"the account {inputs.name!r} with these properties", why)


async def keeps_way_in(session: Session, inputs: UserInputs, now: UserFacts, before: UserFacts) -> bool:
    """Return whether destroy leaves the account as it is, with a warning, because undoing it would close the way in."""
    if inputs.allow_lockout or not now.present:
        return False
    if before.present:
        shell = before.shell if inputs.shell is not None and before.shell != now.shell else None
        home = before.at if inputs.home is not None and before.at != now.at else None
        changed = inputs.groups is not None or inputs.more_groups is not None
        groups = before.groups if changed and set(before.groups) != set(now.groups) else None
        if (shell, home, groups) == (None,) * 3:
            return False
        why = await closes(session, inputs.name, now, shell=shell, home=home, groups=groups)
    else:
        why = "Hearth logs in as it" if (await way_in(session)).account == inputs.name else ""
    if why:
        session.warn(
            f"the account {inputs.name} on {session.machine} stays as it is: putting it back would close our own way in"
            f" ({why}). Log in another way and do it by hand, or set allow_lockout before a destroy"
        )
    return bool(why)


async def closes(
    session: Session,
    name: str,
    facts: UserFacts,
    *,
    shell: str | None = None,
    home: str | None = None,
    groups: list[str] | None = None,
    mode: str | None = None,
    owner: str | None = None,
) -> str:
    """Return why a change of the account would close our own way in; "" where it would not, or is another's account."""
    if (await way_in(session)).account != name:
        return ""
    if shell is not None and not (await session.run(shell, "-c", "exit 0", user=name, check=False)).ok:
        return f"Hearth logs in as {name}, and {shell} runs no command"
    if home is not None:
        keys = await read(session, f"{facts.at}/.ssh/authorized_keys")
        if keys is not None and await read(session, f"{home}/.ssh/authorized_keys") != keys:
            return f"Hearth logs in as {name}, whose keys are in {facts.at}/.ssh/authorized_keys and not in {home}"
    # sshd's StrictModes takes no keys from a home that others may write to, or that is another's.
    if mode is not None and int(mode, 8) & 0o022:
        return f"Hearth logs in as {name}, and sshd takes no keys from a home of mode {mode}, which others may write to"
    if owner is not None and owner.partition(":")[0] not in (name, "root"):
        return f"Hearth logs in as {name}, and sshd takes no keys from a home of {owner}"
    if groups is not None and name != "root":
        text = await read(session, GROUP) or ""
        lists = {line.partition(":")[0]: [name] for line in lines_in(text) if line.partition(":")[0] in groups}
        new = with_members(text, name, lists)
        if not await still_root(session, name, GROUP, new.encode(errors="surrogateescape")):
            lost = sorted(set(facts.groups) - set(groups))
            return f"Hearth logs in as {name}, who may not become root any more without {', '.join(lost)}"
    return ""
