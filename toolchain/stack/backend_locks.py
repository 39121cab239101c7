"""Locks and interrupted operations in Pulumi's file backend, as a killed `pulumi up` leaves them.

Source: pulumi/pulumi, pkg/backend/diy: lock.go (`.pulumi/locks/organization/<project>/<stack>/<id>.json` with pid,
username, hostname and timestamp) and store.go (`.pulumi/stacks/<project>/<stack>.json`).
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A file system that other machines see too: a lock there that names "this" host may be another's of the same name.
SHARED_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "ceph", "fuse.sshfs", "glusterfs", "fuse.s3fs")
CLOCK_TOLERANCE_SECONDS = 2.0


class Holder(Enum):
    """Who holds a lock, as far as this machine can tell."""

    DEAD = "a process of this machine that no longer exists"
    ALIVE = "a process of this machine that is running"
    ELSEWHERE = "a process of another machine"


@dataclass(frozen=True)
class Lock:
    """One lock of a stack."""

    path: Path
    pid: int
    username: str
    hostname: str
    timestamp: float

    def describe(self) -> str:
        """Return the process, as Pulumi names it."""
        taken = datetime.fromtimestamp(self.timestamp).astimezone().isoformat(" ", "seconds")
        return f"pid {self.pid} of {self.username}@{self.hostname}, since {taken}"


@dataclass(frozen=True)
class Process:
    """A live process: its name, and when it began in seconds since the epoch."""

    name: str
    started: float


@dataclass(frozen=True)
class Machine:
    """What this machine knows of itself: its name, and those of the asked-for processes that live."""

    hostname: str
    processes: Mapping[int, Process]


def holder(lock: Lock, machine: Machine, *, shared: bool) -> Holder:
    """Return who holds a lock.

    A process that began after the lock was taken only has the number of the one that took it.
    """
    if shared or lock.hostname != machine.hostname:
        return Holder.ELSEWHERE
    process = machine.processes.get(lock.pid)
    if process is None:
        return Holder.DEAD
    # By its name first: the clock may have been set since, as on a machine without a battery for it.
    if process.name != "pulumi" and process.started > lock.timestamp + CLOCK_TOLERANCE_SECONDS:
        return Holder.DEAD
    return Holder.ALIVE


def this_machine(pids: Iterable[int], proc: Path = Path("/proc")) -> Machine:
    """Return the machine that this runs on, with those of the processes that live on it."""
    try:
        boot = next(float(line.split()[1]) for line in (proc / "stat").open() if line.startswith("btime "))
    except (OSError, StopIteration):
        # Without /proc (macOS) all that can be asked is whether the number is in use.
        return Machine(socket.gethostname(), {pid: Process("", 0.0) for pid in pids if exists(pid)})
    found = {pid: read_process(proc / str(pid) / "stat", boot) for pid in pids}
    return Machine(socket.gethostname(), {pid: process for pid, process in found.items() if process is not None})


def exists(pid: int) -> bool:
    """Return whether a process has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_process(stat: Path, boot_time: float) -> Process | None:
    """Read a process from its file in /proc (proc(5), stat).

    Field 2 is the name, 3 the state, 22 the start in ticks after boot.
    """
    try:
        # The name in parentheses may hold blanks and parentheses itself.
        head, _, tail = stat.read_text().rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    if fields[0] in ("Z", "X"):
        return None
    return Process(head.partition("(")[2], boot_time + int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def backend_folder(url: str) -> Path | None:
    """Return the folder of a file backend, or None for any other."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.netloc + parts.path)
    return Path(path).expanduser().absolute()


def is_shared(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Return whether a folder lies on a file system that other machines may see."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    kinds: dict[str, str] = {}
    for line in lines:
        fields = line.split()
        kinds[fields[1].replace("\\040", " ")] = fields[2]
    for parent in (folder, *folder.parents):
        if str(parent) in kinds:
            return kinds[str(parent)].startswith(SHARED_FILE_SYSTEMS)
    return False


def read_locks(backend: Path, project: str, stack: str) -> list[Lock]:
    """Return the locks of a stack. One that vanishes or is half written while it is read belongs to a live process."""
    locks: list[Lock] = []
    for path in sorted((backend / ".pulumi" / "locks" / "organization" / project / stack).glob("*.json")):
        try:
            content = json.loads(path.read_text())
            taken = datetime.fromisoformat(trim_nanoseconds(content["timestamp"])).timestamp()
            locks.append(Lock(path, int(content["pid"]), content["username"], content["hostname"], taken))
        except (OSError, ValueError, KeyError):
            continue
    return locks


def trim_nanoseconds(timestamp: str) -> str:
    """Go writes nanoseconds, and a Z for UTC; Python's datetime reads microseconds."""
    base, dot, rest = timestamp.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{base}{dot}{rest[:6] if digits > 6 else rest[:digits]}{rest[digits:]}".replace("Z", "+00:00")


def pending_operations(backend: Path, project: str, stack: str) -> list[tuple[str, str]]:
    """Return what an interrupted run was at: (kind, URN) of each. Empty where the state can't be read here."""
    path = backend / ".pulumi" / "stacks" / project / f"{stack}.json"
    try:
        checkpoint: dict[str, Any] = json.loads(path.read_text())["checkpoint"]
    except (OSError, ValueError, KeyError):
        return []
    latest: dict[str, Any] = checkpoint.get("latest") or {}
    operations: list[dict[str, Any]] = latest.get("pending_operations") or []
    return [(one["type"], one["resource"]["urn"]) for one in operations]
