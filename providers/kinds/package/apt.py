"""apt and dpkg on a machine: what they print, who holds their locks, and commands that wait for them.

Sources: apt-get(8), dpkg-query(1), proc_locks(5), and the output of apt 2.6 to 3.0.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from providers.errors import CommandFailed, DeadlineExceeded, GivenUp, HearthError
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in
from toolchain.waiting import wait_until_async

LOCK_WAIT = 400.0
"""Seconds to wait for somebody else's apt or dpkg. An unattended upgrade takes minutes."""
POLL = 2.0
"""Seconds between two looks at the locks."""
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",  # needrestart would restart services that are none of our business
}
OPTIONS = (
    "-o", "DPkg::Lock::Timeout=60",
    "-o", "Dpkg::Options::=--force-confdef",
    "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip
# Prints `pid<TAB>lock file<TAB>command` for each process that holds one of apt's or dpkg's locks. Only the inode is
# compared: /proc/locks and stat(2) disagree about the device on overlay file systems.
_HOLDERS = r"""
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    inode=$(stat -c %i "$file" 2>/dev/null) || continue
    awk -v inode="$inode" '$2 != "->" { n = split($6, part, ":"); if (n == 3 && part[3] == inode) print $5 }' \
        /proc/locks | while read -r pid; do
        printf '%s\t%s\t%s\n' "$pid" "$file" "$(tr '\000' ' ' < "/proc/$pid/cmdline" 2>/dev/null)"
    done
done
"""


@dataclass(frozen=True)
class LockHolder:
    """A process that holds a lock of apt's or dpkg's."""

    pid: str
    file: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command.strip()[:80] or 'its command is hidden'}) holds {self.file}"


def parse_holders(text: str) -> list[LockHolder]:
    return [LockHolder(*line.split("\t")) for line in lines_in(text) if line.count("\t") == 2]


@dataclass(frozen=True)
class Simulation:
    """What apt would do: names of packages that are new, and names of those that would go."""

    new: frozenset[str]
    gone: frozenset[str]


def parse_plan(text: str) -> Simulation:
    """Read the output of `apt-get --simulate`. `Inst name [1.0] (...)` is an upgrade, which brings nothing new."""
    new = re.findall(r"^Inst (\S+) \(", text, re.MULTILINE)
    gone = re.findall(r"^(?:Remv|Purg) (\S+)", text, re.MULTILINE)
    return Simulation(frozenset(new), frozenset(gone))


async def lock_holders(session: Session) -> list[LockHolder]:
    return parse_holders((await session.run("sh", script=_HOLDERS, check=False)).stdout)


async def wait_for_locks(session: Session, wait: float = LOCK_WAIT) -> None:
    """Wait until nobody else is at work with apt or dpkg. Raises DeadlineExceeded that names the holder."""
    told = ""

    async def holder() -> str:
        """Return who is at work, and tell of each once; an empty text for nobody."""
        nonlocal told
        try:
            found = await lock_holders(session)
        except DeadlineExceeded:
            if not told:
                raise
            raise _held(session, told) from None
        if found and str(found[0]) != told:
            told = str(found[0])
            session.progress(f"waiting for apt on {session.machine}: {told}")
        return told if found else ""

    def give_up(at_work: str) -> NoReturn:
        raise _held(session, at_work)

    await wait_until_async(holder, wait, give_up, good=lambda at_work: not at_work, pause=POLL)


def _held(session: Session, holder: str) -> GivenUp:
    return GivenUp(
        f"apt on {session.machine} is still locked: {holder}; nothing was changed",
        remedy="let it finish, or end it on the machine, then run up again; more time: custom_timeouts",
    )


async def repair(session: Session) -> None:
    """Finish what an interrupted dpkg left half done; nothing where nothing was."""
    audit, updates = await asyncio.gather(
        session.run("dpkg", "--audit", check=False), session.stat("/var/lib/dpkg/updates", entries=True)
    )
    left_over = updates is not None and any(name.isdigit() for name in updates.entries or ())
    if not audit.stdout.strip() and not left_over:
        return
    session.progress(f"an earlier dpkg on {session.machine} was interrupted: finishing its work")
    options = ("--force-confdef", "--force-confold")
    configured = await session.run("dpkg", *options, "--configure", "-a", check=False, environment=ENVIRONMENT)
    if not configured.ok:  # something it depends on was not unpacked yet: apt fetches it
        await apt_get(session, "--yes", "--fix-broken", "install")


async def apt_get(session: Session, *arguments: str, check: bool = True) -> Completed:
    """Run apt-get; waits again where somebody else was quicker to take the lock."""
    while True:
        done = await session.run("apt-get", "-q", *OPTIONS, *arguments, check=False, environment=ENVIRONMENT)
        text = done.stderr + done.stdout
        if done.ok or ("Could not get lock" not in text and "Unable to lock" not in text):
            break
        await wait_for_locks(session)
        await asyncio.sleep(POLL / 10)
    if check and not done.ok:
        raise failure(session.machine, arguments, done)
    return done


def failure(machine: str, arguments: Sequence[str], done: Completed) -> HearthError:
    """Return what a failed apt-get means, and what to do about it."""
    text = f"{done.stderr}\n{done.stdout}"
    errors = [line for line in lines_in(text) if line.startswith(("E:", "Err:", "dpkg: error", " No space left"))]
    detail = "\n".join(errors) or done.stderr or done.stdout
    line = f"`apt-get {' '.join(arguments)}` on {machine}"
    if "No space left on device" in text or "enough free space" in text:
        return CommandFailed(
            f"{line} found the disk full",
            status=done.status,
            detail=detail,
            remedy="free space on the machine (df -h; apt-get clean), then run up again: what is half done is finished",
        )
    remedy = "see what apt says above; `apt-get check` on the machine finds broken dependencies"
    if "Temporary failure resolving" in text or "Could not connect" in text or "Failed to fetch" in text:
        remedy = "the machine can't reach its package mirror: check its network and /etc/apt/sources.list.d"
    return CommandFailed(f"{line} ended with status {done.status}", status=done.status, detail=detail, remedy=remedy)
