"""Locks and interrupted operations in Pulumi's file backend, as a killed `pulumi up` leaves them.

Source: pulumi/pulumi, pkg/backend/diy: lock.go (`.pulumi/locks/organization/<project>/<stack>/<id>.json` with pid,
username, hostname and timestamp) and store.go (`.pulumi/stacks/<project>/<stack>.json`).
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from toolchain.lines import lines_in, mount_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A file system that other machines see too: a lock there that names "this" host may be another's of the same name.
SHARED_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "ceph", "fuse.sshfs", "glusterfs", "fuse.s3fs")
CLOCK_TOLERANCE_SECONDS = 2.0
# The engine writes a lock at one go.
HALF_WRITTEN_SECONDS = 1.0


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
class ThisMachine:
    """What this machine knows of itself: its name, and those of the asked-for processes that live."""

    hostname: str
    processes: Mapping[int, Process]


def holder(lock: Lock, machine: ThisMachine, *, shared: bool) -> Holder:
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


def this_machine(pids: Iterable[int], proc: Path = Path("/proc")) -> ThisMachine:
    """Return the machine that this runs on, with those of the processes that live on it."""
    try:
        boot = next(float(line.split()[1]) for line in (proc / "stat").open() if line.startswith("btime "))
    except (OSError, StopIteration):
        # Without /proc (macOS) all that can be asked is whether the number is in use.
        return ThisMachine(socket.gethostname(), {pid: Process("", 0.0) for pid in pids if exists(pid)})
    found = {pid: read_process(proc / str(pid) / "stat", boot) for pid in pids}
    return ThisMachine(socket.gethostname(), {pid: process for pid, process in found.items() if process is not None})


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
        lines = lines_in(mounts.read_text(errors="surrogateescape"))
    except OSError:
        return False
    kinds: dict[str, str] = {}
    for line in lines:
        fields = mount_fields(line)
        kinds[fields[1]] = fields[2]
    for parent in (folder, *folder.parents):
        if str(parent) in kinds:
            return kinds[str(parent)].startswith(SHARED_FILE_SYSTEMS)
    return False


def is_made(backend: Path, project: str, stack: str) -> bool:
    """Tell whether a stack is there: its state, compressed or not.

    What the engine writes right before it (`.attrs`, a temporary file) is none yet.
    """
    states = backend / ".pulumi" / "stacks" / project
    return any((states / f"{stack}.json{ending}").is_file() for ending in ("", ".gz", ".zst"))


def lock_files(backend: Path, project: str, stack: str) -> list[Path]:
    """List all that the engine takes for a lock of a stack: also what a kill left before it got its name."""
    folder = backend / ".pulumi" / "locks" / "organization" / project / stack
    return sorted(path for path in folder.glob("*") if path.is_file() and path.suffix != ".attrs")


def read_lock(path: Path) -> Lock | None:
    """Read a lock; None where it vanishes or is half written."""
    try:
        content = json.loads(path.read_text())
        taken = datetime.fromisoformat(trim_nanoseconds(content["timestamp"])).timestamp()
        return Lock(path, int(content["pid"]), content["username"], content["hostname"], taken)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_locks(backend: Path, project: str, stack: str) -> list[Lock]:
    """Return the locks of a stack that can be read."""
    found = (read_lock(path) for path in lock_files(backend, project, stack))
    return [lock for lock in found if lock is not None]


def unreadable_locks(backend: Path, project: str, stack: str) -> list[Path]:
    """Return those that can't: a live process is just writing them, or a dead one was."""
    return [path for path in lock_files(backend, project, stack) if read_lock(path) is None and path.exists()]


def stay_unreadable(paths: Sequence[Path], seconds: float = HALF_WRITTEN_SECONDS) -> bool:
    """Tell whether nobody ends what was begun to be written, within a time in which a live process would."""
    before = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    time.sleep(seconds)
    return all(
        path.exists() and path.stat().st_mtime_ns == seen and not read_lock(path) for path, seen in before.items()
    )


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
