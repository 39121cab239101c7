"""What is on a machine, taken before and after, so that a test can say that `destroy` put everything back."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.docker.cli import Result

ROOTS = ("/etc", "/home", "/mnt", "/opt", "/root", "/srv", "/usr/local", "/var/lib", "/var/spool")

# Not compared, each by name and with the reason. Patterns are fnmatch's, `*` also matches a slash.
EXCEPTIONS: dict[str, str] = {
    "/var/lib/apt/lists": "apt's cache of package lists; its time changes when apt looks at it",
    "/var/lib/apt/lists/*": "apt's cache of package lists",
    "/var/lib/apt/extended_states": "compared as the list of manually installed packages instead",
    "/var/lib/apt/periodic/*": "stamps of apt's daily run",
    "/var/lib/dpkg/*-old": "dpkg's copy of its own database before the last change",
    "/var/lib/dpkg/status": "compared as the list of packages and states instead",
    "/var/lib/dpkg/available": "a cache of dpkg",
    "/var/lib/dpkg/lock*": "empty lock files of dpkg",
    "/var/lib/dpkg/triggers/*": "dpkg's bookkeeping of triggers that have run",
    "/var/lib/dpkg/info/format": "dpkg's own version mark",
    "/var/lib/systemd/random-seed": "a seed that changes at every boot",
    "/var/lib/systemd/timers": "the folder of the next; systemd makes it at the first timer that has a stamp",
    "/var/lib/systemd/timers/*": "stamps of when a timer last ran",
    "/var/lib/systemd/catalog/database": "a cache of the journal's message catalogue",
    "/var/lib/systemd/timesync/clock": "a stamp of the clock",
    "/var/lib/systemd/deb-systemd-helper-enabled/*": "the memory of having been enabled; the list is compared",
    "/var/lib/systemd/deb-systemd-user-helper-enabled/*": "the same for units of users",
    "/var/lib/machines": "an empty folder that the removal of systemd-container leaves; its content is compared",
    "/var/lib/portables": "the same",
    "/var/lib/private": "made by systemd at a boot",
    "/var/lib/containers/storage*": "root's container store: containers and images are compared by name",
    "/var/lib/containers/cache": "the folder of the next; podman makes it when root runs it",
    "/var/lib/containers/cache/blob-info-cache-v1.sqlite": "podman's cache of where it has seen which layer",
    "/etc/ld.so.cache": "a cache that ldconfig writes anew",
    "/etc/mtab": "the kernel's list of mounts",
    "/etc/passwd-": "the copy that useradd keeps of the file before the last change",
    "/etc/group-": "the same for groups",
    "/etc/shadow-": "the same for passwords",
    "/etc/gshadow-": "the same for group passwords",
    "/etc/subuid-": "the same for subordinate user ids",
    "/etc/subgid-": "the same for subordinate group ids",
    "/etc/.pwd.lock": "an empty lock file",
    "/etc/.updated": "systemd's mark that it has looked at /etc",
    "/var/lib/.updated": "the same for /var",
    "/etc/ssl/certs/java/*": "a cache of certificates",
    "/var/lib/logrotate/status": "a stamp of the last rotation of logs",
    "/var/lib/python/*": "a cache of Debian's Python packaging",
    "/var/lib/ucf/*": "ucf's bookkeeping of configuration files",
    "/root/.cache/*": "a cache by name",
    "/home/*/.sudo_as_admin_successful": "sudo's own mark that its user has used it once",
    "/home/*/.cache/*": "a cache by name",
}

# The same for unit files, by name.
UNIT_EXCEPTIONS: dict[str, str] = {
    "session-*.scope": "a login that lasts, our own among them; systemd lists it with the unit files",
}


@dataclass(frozen=True)
class Snapshot:
    """The state of a machine: files with mode, owner and content, packages, units, users, container stores."""

    files: dict[str, dict[str, str]]
    packages: list[str]
    manual_packages: list[str]
    unit_files: list[str]
    failed_units: list[str]
    users: list[str]
    lingering: list[str]
    stores: dict[str, dict[str, list[str]]]


class Runs(Protocol):
    """A machine on which a command can be run."""

    def run(self, command: str, *, stdin: str | None = ..., timeout: float = ...) -> Result:
        """Run a shell command as root; `timeout` in seconds."""
        ...


def take(machine: Runs) -> Snapshot:
    """Take a snapshot; a second or two. Nothing on the machine is changed, and no podman store comes into being.

    Raises LabError where something can't be asked.
    """
    script = (Path(__file__).parent / "snapshot_probe.py").read_text()
    skipped = ["/var/lib/docker", "/var/lib/apt/lists", "/var/lib/containers/storage"]
    request = json.dumps({"roots": ROOTS, "skipped": skipped})
    # The request has no single quote: it is our own constants.
    answer = machine.run(f"python3 - '{request}'", stdin=script, timeout=300).stdout
    fields: dict[str, Any] = json.loads(answer)
    return Snapshot(**fields)


def difference(before: Snapshot, after: Snapshot, also: Mapping[str, str] | None = None) -> list[str]:
    """Return one line for each difference that no exception covers; an empty list means that nothing differs.

    `also` adds exceptions (pattern -> reason) for one test.
    """
    patterns = [*EXCEPTIONS, *(also or {})]
    lines: list[str] = []
    for path in sorted({*before.files, *after.files}):
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            continue
        was, now = before.files.get(path), after.files.get(path)
        if was is None and now is not None:
            lines.append(f"file {path}: appeared ({_words(now)})")
        elif was is not None and now is None:
            lines.append(f"file {path}: gone (was {_words(was)})")
        elif was is not None and now is not None and was != now:
            changed = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
            lines += [f"file {path}: {key} was {was.get(key)}, is {now.get(key)}" for key in changed]
    for what in ("packages", "manual_packages", "unit_files", "failed_units", "users", "lingering"):
        old, new = _compared(what, getattr(before, what)), _compared(what, getattr(after, what))
        lines += [f"{what}: {entry} is gone" for entry in sorted(old - new)]
        lines += [f"{what}: {entry} appeared" for entry in sorted(new - old)]
    for owner in sorted({*before.stores, *after.stores}):
        was_store, now_store = before.stores.get(owner, {}), after.stores.get(owner, {})
        for what in ("containers", "images"):
            if was_store.get(what, []) != now_store.get(what, []):
                lines.append(f"{what} of {owner}: were {was_store.get(what, [])}, are {now_store.get(what, [])}")
    return lines


def _compared(what: str, entries: list[str]) -> set[str]:
    """Return the entries of a list that are compared."""
    if what != "unit_files":
        return set(entries)
    return {
        entry
        for entry in entries
        if not any(fnmatch.fnmatchcase(entry.split()[0], pattern) for pattern in UNIT_EXCEPTIONS)
    }


def _words(entry: Mapping[str, str]) -> str:
    return " ".join(f"{key} {value[:12]}" for key, value in entry.items())
