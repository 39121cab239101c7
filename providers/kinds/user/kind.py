"""An account on a machine: home, shell, groups, subordinate ids, linger, and that no password opens it.

Manages the account, its group of the same name, and the home directory itself, not what lies in it. A list of `groups`
is complete: any other group counts as drift; `more_groups` is not. Passwords and keys are not managed; a new account
has no password. A home that is the machine's (`/`), another account's too, or of another owner gets no mode. On
destroy an account that was there before gets back what was changed; one that Hearth made goes, with its processes. Its
home stays, unless `remove_home` is set. What lies in a home is not carried along by a change of `home`: the earlier one
stays as it is, `up` says so, and destroy treats it as it does the last one.
Sources: useradd(8), usermod(8), userdel(8), chage(1), loginctl(1) of Debian 12 and 13.
"""

from __future__ import annotations

import asyncio

from providers.errors import CommandFailed, InvalidInput
from providers.kind import Kind, SameAs
from providers.kinds import reasons
from providers.kinds.user.databases import GROUP, GSHADOW, edit, with_members
from providers.kinds.user.facts import (
    HOMELESS,
    UserFacts,
    UserInputs,
    differs,
    makes,
    new_home,
    observe,
    same_path,
)
from providers.kinds.user.home import check_home, make_home, put_home_back, set_home, widen
from providers.kinds.user.lockout import check_way_in, keeps_way_in
from providers.kinds.user.ranges import lines_for, mend_helpers, wanted_range, write_lines
from providers.kinds.user.removal import remove_account
from providers.kinds.user.shadow import SHADOW, never, with_line
from providers.machine.session import Session
from toolchain.lines import lines_in

NOLOGIN = "/usr/sbin/nologin"
NO_HOMES = ("/", HOMELESS)
"""What accounts without a home of their own have in its place."""


async def apply(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    # Everything that can be refused is refused before anything is touched.
    wanted, _, _, _ = await asyncio.gather(
        wanted_range(session, inputs, facts),
        _check_groups(session, inputs),
        check_home(session, inputs, facts),
        check_way_in(session, inputs, facts),
    )
    if not facts.present:
        await session.run(*creation(inputs, facts))
    else:
        await _change(session, inputs, facts)
    if wanted is not None:
        if inputs.subordinate_ids != "auto" and facts.subordinate_ids and str(wanted) not in facts.subordinate_ids:
            session.warn(
                f"the subordinate ids of {inputs.name} on {session.machine} change from {facts.subordinate_ids} to"
                f" {wanted}: what its containers wrote under the old ones is no longer theirs (podman system migrate)"
            )
        await write_lines(session, inputs.name, facts.uid or None, *lines_for(inputs, facts, wanted))
    if inputs.subordinate_ids is not None:
        await mend_helpers(session)
    account = await session.account(inputs.name)
    if account is not None:
        await make_home(session, inputs, account)
    if inputs.linger is not None and inputs.linger != facts.linger:
        await _set_linger(session, inputs.name, inputs.linger)


def creation(inputs: UserInputs, facts: UserFacts) -> list[str]:
    """Return the useradd command that makes the account."""
    command = ["useradd", "--shell", inputs.shell or NOLOGIN]
    if inputs.system:
        command.append("--system")
    if facts.home_user.isdigit():  # a home kept from an earlier life: what lies in it is that number's
        command += ["--uid", facts.home_user]
    if facts.group_line:  # a group of this name is there already
        command += ["--gid", inputs.name]
    else:
        command.append("--user-group")
    if groups := inputs.groups or inputs.more_groups:
        command += ["--groups", ",".join(groups)]
    home = new_home(inputs)
    if home is not None:
        command += ["--create-home", "--home-dir", home]
    else:
        command += ["--no-create-home", "--home-dir", HOMELESS]
    # Nobody looks into the home in the moment before its mode is set.
    return [*command, "-K", "UMASK=077", inputs.name]


async def _change(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    command: list[str] = []
    if inputs.shell is not None and inputs.shell != facts.shell:
        command += ["--shell", inputs.shell]
    if inputs.groups is not None and differs("groups", inputs.groups, facts.groups):
        command += ["--groups", ",".join(inputs.groups)]
    if inputs.more_groups is not None and differs("more_groups", inputs.more_groups, facts.groups):
        command += ["--append", "--groups", ",".join(inputs.more_groups)]
    if inputs.password is not None and inputs.password != facts.password:
        # An empty field is no password to lock: usermod would leave it open.
        command += ["--password", "!"] if facts.password == "none is asked for" else ["--lock"]
    if command:
        await session.run("usermod", *command, inputs.name)
    if inputs.expires is not None and (options := never(facts.shadow_line)):
        await session.run("chage", *options, inputs.name)
    if inputs.home is not None and not same_path(inputs.home, facts.at):
        await set_home(session, inputs.name, facts.uid, inputs.home)
        if facts.at not in NO_HOMES and await session.stat(facts.at) is not None:
            session.warn(
                f"the earlier home {facts.at} of {inputs.name} stays on {session.machine} with what is in it, such as"
                " podman's data; destroy removes it only where Hearth made it and remove_home is set."
                f" `rm -r {facts.at}` does, once nothing in it is wanted"
            )


async def _set_linger(session: Session, name: str, on: bool) -> None:
    verb = "enable-linger" if on else "disable-linger"
    done = await session.run("loginctl", verb, name, check=False)
    if not done.ok:
        raise CommandFailed(
            f"linger of {name} on {session.machine} could not be switched {'on' if on else 'off'}: `loginctl {verb}`"
            f" ended with status {done.status}",
            status=done.status,
            detail=done.stderr,
            remedy="loginctl needs systemd-logind: install libpam-systemd and dbus there, and see"
            " `systemctl status systemd-logind`",
        )


async def _check_groups(session: Session, inputs: UserInputs) -> None:
    wanted = inputs.groups or inputs.more_groups
    if not wanted:
        return
    done = await session.run("getent", "group", *wanted, check=False)
    known = {line.partition(":")[0] for line in lines_in(done.stdout)}
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InvalidInput(
            f"there is no group {', '.join(missing)} on {session.machine} for {inputs.name!r} to be in;"
            " nothing was changed",
            remedy="correct the name (getent group lists them there), or install first what brings the group",
        )


async def restore(session: Session, inputs: UserInputs, before: UserFacts) -> None:
    now = await observe(session, inputs)
    if await keeps_way_in(session, inputs, now, before):
        return
    if not before.present:
        await remove_account(session, inputs, now, before)
        await write_lines(session, inputs.name, now.uid or None, before.subuid_lines, before.subgid_lines)
        await _put_members_back(session, inputs.name, before)
        return
    if not now.present:
        session.warn(f"the account {inputs.name} on {session.machine} is gone, so nothing of it was put back")
        return
    command: list[str] = []
    if inputs.shell is not None and now.shell != before.shell:
        command += ["--shell", before.shell]
    if groups := groups_to_put_back(inputs, now, before):
        command += groups
    if command:
        await session.run("usermod", *command, inputs.name)
    if inputs.groups is not None or inputs.more_groups is not None:
        await _put_members_back(session, inputs.name, before)
    if (inputs.password or inputs.expires) and before.shadow_line and now.shadow_line != before.shadow_line:
        keep = (inputs.password is not None, inputs.expires is not None)
        await edit(session, SHADOW, lambda text: with_line(text, before.shadow_line, keep))
    if inputs.subordinate_ids is not None:
        await write_lines(session, inputs.name, now.uid, before.subuid_lines, before.subgid_lines)
    await put_home_back(session, inputs, now, before)
    # Last: it starts or ends the account's manager a moment later, and a home is changed while nothing runs.
    if inputs.linger is not None and now.linger != before.linger:
        await _set_linger(session, inputs.name, before.linger)


def groups_to_put_back(inputs: UserInputs, now: UserFacts, before: UserFacts) -> list[str]:
    """Return the options of usermod that give an account its groups of before: all, or those that Hearth added."""
    if inputs.groups is not None:
        return [] if set(now.groups) == set(before.groups) else ["--groups", ",".join(before.groups)]
    added = set(inputs.more_groups or ()) - set(before.groups)
    left = [name for name in now.groups if name not in added]
    return [] if left == now.groups else ["--groups", ",".join(left)]


async def _put_members_back(session: Session, name: str, before: UserFacts) -> None:
    """Put the account where it stood in each group's list.

    usermod puts an account at a list's end, and userdel takes it from lists that it stood in before its time.
    """
    now = await session.account(name)
    was = {
        group: listed
        for group, listed in before.members.items()
        if now is None or not before.present or group in now.groups
    }

    def change(text: str) -> str:
        if now is None:
            return with_members(text, name, was)
        # Of groups that others put it into since it stays a member.
        return with_members(text, name, {**{group: [name] for group in now.groups}, **was})

    await edit(session, GROUP, change)
    await edit(session, GSHADOW, change)


async def explain(session: Session, inputs: UserInputs, facts: UserFacts) -> str:
    """Return why an account is not as wished."""
    if facts.home_mode == "missing":
        return f"its home {inputs.home} is not there: it may be on a file system that is not mounted"
    elsewhere = await reasons.account(session, inputs.name)
    home = inputs.home or facts.at
    managed = inputs.home_mode not in (None, facts.home_mode) or inputs.home_owner not in (None, facts.home_owner)
    return elsewhere or (await reasons.owners(session, home) if managed else "")


KIND = Kind(
    token="hearth:host:User",
    inputs=UserInputs,
    facts=UserFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: inputs.name,
    parse=lambda identity: {"name": identity},
    defaults={"shell": NOLOGIN, "home_mode": "0700", "home_owner": SameAs("name")},
    makes=makes,
    widen=widen,
    outputs=("uid", "gid", "subordinate_start", "subordinate_count"),
    locks=lambda _inputs: ("accounts",),
    deadline=180.0,
    differs=differs,
    explain=explain,
    by_hand=lambda inputs: f"userdel {inputs.name}",
)
