"""Taking an account that Hearth made off a machine: its processes, its entries, and its home if that is asked for."""

from __future__ import annotations

from typing import NoReturn

from providers.errors import NotConverged
from providers.kinds.user.databases import GROUP, GSHADOW, edit, with_list
from providers.kinds.user.facts import LINGER, UserFacts, UserInputs, new_home
from providers.machine.session import Session
from toolchain.waiting import wait_until_async

PATIENCE = 10.0
"""Seconds for killed processes to go. One that waits for a dead network share does not."""
# Ends every process with one of the given ids, or that lies in the subordinate range; prints those that are left.
_END = """
kill_all() {
    grep -H '^Uid:' /proc/[0-9]*/status 2>/dev/null | awk -v uid="$1" -v start="$2" -v end="$3" '
        $2 == uid || $3 == uid || (start > 0 && $2 >= start && $2 < end) { split($1, part, "/"); print part[3] }'
}
for pid in $(kill_all "$uid" "$start" "$end"); do kill -KILL "$pid" 2>/dev/null || true; done
kill_all "$uid" "$start" "$end"
"""


async def end_processes(session: Session, name: str, facts: UserFacts) -> None:
    """Stop the account's service manager, and end what it runs anywhere else."""
    uid, start = facts.uid, facts.subordinate_start
    if uid == 0:
        return
    await session.run("loginctl", "disable-linger", name, check=False)
    await session.run("systemctl", "stop", f"user@{uid}.service", f"user-runtime-dir@{uid}.service", check=False)
    script = f"uid={uid} start={start} end={start + facts.subordinate_count}\n{_END}"

    async def left() -> list[str]:
        return (await session.run("sh", script=script, check=False)).stdout.split()

    def stuck(found: list[str]) -> NoReturn:
        raise NotConverged(
            f"processes of {name} on {session.machine} do not end: {', '.join(found)}; the account is still there",
            remedy="see what they wait for (ps -o pid,stat,wchan,cmd -p PID), then run destroy again",
        )

    await wait_until_async(left, PATIENCE, stuck, good=lambda found: not found, pause=0.1)


async def remove_account(session: Session, inputs: UserInputs, now: UserFacts, before: UserFacts) -> None:
    """Safe to run again where it was cut short."""
    name = inputs.name
    if now.present:
        session.progress(f"ending what {name} runs on {session.machine}, and removing the account")
        await end_processes(session, name, now)
        await session.run("userdel", name)
    await session.remove(f"{LINGER}/{name}")
    await _restore_group(session, name, before)
    home = new_home(inputs)
    if home is None:
        return
    if before.wished_home_exists or before.home_exists:
        owner, group = before.home_user, before.home_group
        managed = inputs.home_mode is not None or inputs.home_owner is not None
        if managed and await session.stat(home) is not None:
            await session.set_attributes(home, mode=before.home_mode, owner=owner, group=group)
    elif inputs.remove_home:
        await session.remove(home, recursive=True)
        await session.remove(f"/var/mail/{name}")
    elif now.home_exists:
        session.warn(
            f"the home {home} of {name} stays on {session.machine}: it may hold data."
            f" `rm -r {home}` removes it, or set remove_home before a destroy"
        )


async def _restore_group(session: Session, name: str, before: UserFacts) -> None:
    """Make the group of the account's name as it was: userdel takes it along, but where it has other members."""
    group = await session.run("getent", "group", name, check=False)
    if before.group_line and not group.ok:
        _, _, gid, listed = before.group_line.split(":", 3)
        await session.run("groupadd", "--gid", gid, name)
        if listed:  # written by hand: gpasswd takes none that has no account
            members = [each for each in listed.split(",") if each]
            for path in (GROUP, GSHADOW):
                await edit(session, path, lambda text: with_list(text, name, members))
    elif not before.group_line and group.ok:
        done = await session.run("groupdel", name, check=False)
        if not done.ok:
            session.warn(f"the group {name} stays on {session.machine}: {done.stderr.strip()}")
