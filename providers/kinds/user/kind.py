"""An account on a machine: home, shell, groups, subordinate ids, linger.

Manages the account, its group of the same name, and the home directory itself, not what lies in it. A list of `groups`
is complete: any other group counts as drift. Passwords and keys are not managed; a new account has no password. On
destroy an account that was there before gets back what was changed; one that Hearth made goes, with its processes. Its
home stays, unless `remove_home` is set. A home that is moved by a change of `home` is not carried along.
Sources: useradd(8), usermod(8), userdel(8), loginctl(1) of Debian 12 and 13.
"""

from __future__ import annotations

import asyncio

from providers.errors import CommandFailed, HearthError, InvalidInput
from providers.kind import Kind
from providers.kinds.user.facts import UserFacts, UserInputs, differs, observe
from providers.kinds.user.ranges import wanted_range, write_lines
from providers.kinds.user.removal import remove_account
from providers.machine.session import Session


async def apply(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    # Everything that can be refused is refused before anything is touched.
    wanted, _, _ = await asyncio.gather(
        wanted_range(session, inputs, facts), _check_groups(session, inputs), _check_parent(session, inputs, facts)
    )
    if not facts.present:
        await session.run(*creation(inputs, facts))
    else:
        await _change(session, inputs, facts)
    if wanted is not None:
        if facts.subordinate_ids and str(wanted) not in facts.subordinate_ids:
            session.warn(
                f"the subordinate ids of {inputs.name} on {session.machine} change from {facts.subordinate_ids} to"
                f" {wanted}: what its containers wrote under the old ones is no longer theirs (podman system migrate)"
            )
        await write_lines(session, inputs.name, facts.uid or None, [f"{inputs.name}:{wanted}"])
    await _set_home_mode(session, inputs)
    if inputs.linger is not None and inputs.linger != facts.linger:
        await _set_linger(session, inputs.name, inputs.linger)


def creation(inputs: UserInputs, facts: UserFacts) -> list[str]:
    """The useradd command that makes the account."""
    command = ["useradd", "--shell", inputs.shell]
    if inputs.system:
        command.append("--system")
    if facts.home_owner.isdigit():  # a home kept from an earlier life: what lies in it is that number's
        command += ["--uid", facts.home_owner]
    if facts.group_line:  # a group of this name is there already
        command += ["--gid", inputs.name]
    else:
        command.append("--user-group")
    if inputs.groups:
        command += ["--groups", ",".join(inputs.groups)]
    if inputs.home is not None:
        command += ["--create-home", "--home-dir", inputs.home]
    elif inputs.system:
        command += ["--no-create-home", "--home-dir", "/nonexistent"]
    else:
        command.append("--create-home")
    # Nobody looks into the home in the moment before its mode is set.
    return [*command, "-K", "UMASK=077", inputs.name]


async def _change(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    command: list[str] = []
    if inputs.shell != facts.shell:
        command += ["--shell", inputs.shell]
    if inputs.groups is not None and differs("groups", inputs.groups, facts.groups):
        command += ["--groups", ",".join(inputs.groups)]
    if command:
        await session.run("usermod", *command, inputs.name)
    if inputs.home is not None and inputs.home != facts.home:
        await _set_home(session, inputs.name, facts.uid, inputs.home)


async def _set_home(session: Session, name: str, uid: int, home: str) -> None:
    """usermod refuses while the account has processes: its manager is stopped for the moment."""
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


async def _set_home_mode(session: Session, inputs: UserInputs) -> None:
    account = await session.account(inputs.name)
    if account is None or not account.home.startswith("/"):
        return
    home = await session.stat(account.home)
    if home is None and inputs.home is not None:
        await session.make_directory(inputs.home, mode=inputs.home_mode, owner=inputs.name, group=account.group)
    elif home is not None and inputs.home is not None:
        await session.set_attributes(account.home, mode=inputs.home_mode, owner=inputs.name, group=account.group)
    elif home is not None and home.mode != inputs.home_mode:
        await session.set_attributes(account.home, mode=inputs.home_mode)


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
    if not inputs.groups:
        return
    done = await session.run("getent", "group", *inputs.groups, check=False)
    known = {line.partition(":")[0] for line in done.stdout.splitlines()}
    missing = [name for name in inputs.groups if name not in known]
    if missing:
        raise InvalidInput(
            f"there is no group {', '.join(missing)} on {session.machine} for {inputs.name!r} to be in;"
            " nothing was changed",
            remedy="correct the name (getent group lists them there), or install first what brings the group",
        )


async def _check_parent(session: Session, inputs: UserInputs, facts: UserFacts) -> None:
    if inputs.home is None or facts.home_exists:
        return
    parent = inputs.home.rpartition("/")[0] or "/"
    if await session.stat(parent) is None:
        raise InvalidInput(
            f"the home {inputs.home} of {inputs.name!r} lies in {parent}, which {session.machine} does not have;"
            " nothing was changed",
            remedy=f"make {parent} with a Directory that this User depends on",
        )


async def restore(session: Session, inputs: UserInputs, before: UserFacts) -> None:
    now = await observe(session, inputs)
    if not before.present:
        await remove_account(session, inputs, now, before)
        await write_lines(session, inputs.name, now.uid or None, before.subuid_lines, before.subgid_lines)
        return
    if not now.present:
        session.warn(f"the account {inputs.name} on {session.machine} is gone, so nothing of it was put back")
        return
    command: list[str] = []
    if now.shell != before.shell:
        command += ["--shell", before.shell]
    if inputs.groups is not None and now.groups != before.groups:
        command += ["--groups", ",".join(before.groups)]
    if command:
        await session.run("usermod", *command, inputs.name)
    if inputs.subordinate_ids is not None:
        await write_lines(session, inputs.name, now.uid, before.subuid_lines, before.subgid_lines)
    await _restore_home(session, inputs, now, before)
    # Last: it starts or ends the account's manager a moment later, and a home is changed while nothing runs.
    if inputs.linger is not None and now.linger != before.linger:
        await _set_linger(session, inputs.name, before.linger)


async def _restore_home(session: Session, inputs: UserInputs, now: UserFacts, before: UserFacts) -> None:
    if inputs.home is not None and now.home != before.home:
        await _set_home(session, inputs.name, now.uid, before.home)
    elif before.home_exists and now.home_exists:
        owner, group = before.home_owner, before.home_group
        await session.set_attributes(before.home, mode=before.home_mode, owner=owner, group=group)
    if inputs.home is None or before.wished_home_exists or not now.home_exists:
        return
    try:
        await session.remove(inputs.home)
    except HearthError:
        session.warn(f"{inputs.home} on {session.machine}, the home that {inputs.name} had, stays with what is in it")


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
    outputs=("uid", "gid", "subordinate_start", "subordinate_count"),
    locks=lambda _inputs: ("accounts",),
    deadline=180.0,
    differs=differs,
    by_hand=lambda inputs: f"userdel {inputs.name}",
)
