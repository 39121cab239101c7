"""Taking an account that Hearth made off a machine: its processes, its entries, and its home if that is asked for."""

from __future__ import annotations

from typing import NoReturn

from providers.errors import ConnectionLost, DeadlineExceeded, HearthError, NotConverged
from providers.kinds.user.databases import GROUP, GSHADOW, edit, with_list
from providers.kinds.user.facts import LINGER, UserFacts, UserInputs, new_home, same_path
from providers.kinds.user.home import SHARED, attributes, homes_of, others_below
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
    managed = inputs.home_mode is not None or inputs.home_owner is not None
    for home, was in homes_of(before, new_home(inputs)).items():
        found = await session.stat(home)
        if found is None:
            continue
        if was.present:
            if managed:
                await attributes(session, home, was.mode, was.owner, was.group)
        elif inputs.remove_home:
            await _remove_home(session, inputs, home, found.owner)
        else:
            session.warn(
                f"the home {home} of {name} stays on {session.machine}: it may hold data."
                f" `rm -r {home}` removes it, or set remove_home before a destroy"
            )
    if inputs.remove_home and not all(was.present for was in homes_of(before, new_home(inputs)).values()):
        await session.remove(f"/var/mail/{name}")


async def _remove_home(session: Session, inputs: UserInputs, home: str, owner: str) -> None:
    """Remove a home that Hearth made, unless it is somebody else's by now, or something in it can't be removed."""
    why = ""
    earlier = not same_path(home, new_home(inputs) or "")
    if others := await others_below(session, home, inputs.name):
        why = f"it is, or holds, the home of {', '.join(others)}"
    elif home in SHARED:
        why = "it is the machine's own folder"
    elif earlier and not (owner.isdigit() or owner in (inputs.name, (inputs.home_owner or "").partition(":")[0])):
        why = f"it belongs to {owner} now"
    if not why:
        try:
            await session.remove(home, recursive=True)
        except (ConnectionLost, DeadlineExceeded):
            raise
        except HearthError as error:
            why = str(error).partition("\n")[0]
    if why:
        session.warn(f"the home {home} of {inputs.name} stays on {session.machine}: {why}. `rm -r {home}` removes it")


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
