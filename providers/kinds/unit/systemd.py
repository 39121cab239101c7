"""A service manager on a machine, the system's or an account's own: what it says, and how to speak to it.

Sources: systemctl(1), org.freedesktop.systemd1(5), podman-systemd.unit(5), journalctl(1).
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from dataclasses import dataclass

from providers.errors import DeadlineExceeded, NotConverged, Untouched
from providers.kinds.takes_effect import reload
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in

QUADLET = {
    "container": "",
    "kube": "",
    "pod": "-pod",
    "network": "-network",
    "volume": "-volume",
    "image": "-image",
    "build": "-build",
}
"""Suffix of a Quadlet source file -> what its service is called behind the stem."""
UNITS = ("service", "socket", "timer", "mount", "automount", "path", "target", "slice", "swap")
ACTIVE = ("active", "reloading", "refreshing")
ENABLED = ("enabled", "enabled-runtime", "alias")
SETTLE = 0.15
"""Seconds after which a service that counts as started at once (Type=simple) is looked at again: one that can't run
its program is gone by then."""
STOPPING = 95.0
"""Seconds that the old process may take to end in a restart; systemd kills it after 90 s."""
BEHIND_ITS_BACK = "--root=/"
"""systemctl changes the links of the system's units without telling the manager, which then needs no reload."""
_STARTED_BEFORE = """
since=$(systemctl $scope show --timestamp=unix -p ActiveEnterTimestamp --value "$unit" | tr -dc 0-9)
for file in "$@"; do
    [ "$(stat -L -c %Z "$file" 2> /dev/null || echo 0)" -gt "${since:-9999999999}" ] && exit 0
done
exit 1
"""
_NOISE = re.compile(r"podman\[\d+\]: \d{4}-\d\d-\d\d .* m=\+|level=warning msg=\"Using cgroups-v1")
"""What podman says of every container that comes or goes: it would push out what the container itself said."""
PROPERTIES = (
    "Id",
    "Names",
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "SubState",
    "Result",
    "Type",
    "NeedDaemonReload",
    "Triggers",
    "FragmentPath",
    "SourcePath",
    "DropInPaths",
)


def is_quadlet(name: str) -> bool:
    return name.rpartition(".")[2] in QUADLET


def is_template(name: str) -> bool:
    return name.rpartition(".")[0].endswith("@")


def path_of(name: str) -> str:
    """Return the path that the name of a mount or device unit stands for; systemd.unit(5), "String escaping"."""

    def plain(found: re.Match[bytes]) -> bytes:
        return b"/" if found[0] == b"-" else bytes.fromhex(found[1].decode())

    stem = name.rpartition(".")[0].encode()
    return "/" if stem == b"-" else "/" + os.fsdecode(re.sub(rb"-|\\x([0-9a-f]{2})", plain, stem))


def service_of(name: str, text: str | None) -> str:
    """Return the unit that `name` stands for: itself, or the service that Quadlet generates from it."""
    stem, _, suffix = name.rpartition(".")
    if suffix not in QUADLET:
        return name
    own = re.search(r"^\s*ServiceName\s*=\s*(\S+)\s*$", text or "", re.MULTILINE)
    return f"{own[1] if own else stem + QUADLET[suffix]}.service"


def installs(text: str) -> bool:
    """Return whether a unit's text says what starts it: an [Install] section with a line that does something."""
    section = ""
    for line in lines_in(text):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section == "[Install]" and re.match(r"(WantedBy|RequiredBy|UpheldBy|Alias|Also)\s*=\s*\S", stripped):
            return True
    return False


def wanted_by_targets(text: str) -> bool:
    """Return whether nothing but targets asks for the unit: those read their links at boot, when the unit is due."""
    found = re.findall(r"^\s*(?:WantedBy|RequiredBy|UpheldBy|Alias|Also)\s*=(.*)$", text, re.MULTILINE)
    return all(word.endswith(".target") for words in found for word in words.split())


def starts_at_once(name: str, text: str | None) -> bool:
    """Return whether it counts as started before it has shown that it can run."""
    if not name.endswith(".service"):
        return False
    types = re.findall(r"^\s*Type\s*=\s*(\w*)", text or "", re.MULTILINE)
    return not types or types[-1] in ("simple", "exec", "idle", "")


def parse_show(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines_in(text))
    return {key: value for key, separator, value in pairs if separator}


@dataclass(frozen=True)
class Manager:
    """The service manager of the system, or of `user`."""

    session: Session
    user: str | None = None

    @property
    def label(self) -> str:
        return f"{self.session.machine} (services of {self.user})" if self.user else self.session.machine

    async def ctl(self, *arguments: str, check: bool = True, timeout: float | None = None) -> Completed:
        scope = ("--user",) if self.user else ()
        return await self.session.run("systemctl", *scope, *arguments, user=self.user, check=check, timeout=timeout)

    async def show(self, unit: str) -> dict[str, str]:
        """Return a unit's properties; nothing where the manager can't be asked. A template has a file state alone."""
        if is_template(unit):
            state = await self.ctl("is-enabled", unit, check=False)
            word = state.stdout.strip()
            missing = not word or word == "not-found"
            return {"LoadState": "not-found" if missing else "loaded", "UnitFileState": word}
        done = await self.ctl("show", "-p", ",".join(PROPERTIES), unit, check=False)
        return parse_show(done.stdout) if done.ok else {}

    async def started_before(self, unit: str, files: list[str]) -> bool:
        """Return whether the unit became active before one of the files was changed."""
        names = " ".join(shlex.quote(file) for file in files)
        settings = f"scope={'--user' if self.user else ''} unit={shlex.quote(unit)}\nset -- {names}\n"
        return (await self.session.run("sh", script=settings + _STARTED_BEFORE, user=self.user, check=False)).ok

    def reads_new(self, name: str, text: str) -> bool:
        """Return whether a unit that the manager does not know yet can be added, and taken away, without a reload."""
        return self.user is None and not is_quadlet(name) and wanted_by_targets(text)

    async def reload(self) -> None:
        """Have the manager read its files again. Of several who ask at the same time one does it for all."""
        await reload(self.session, self.user)

    async def ready(self) -> None:
        """Have the account's own manager running. Raises HearthError where nothing keeps one running."""
        if self.user is None or (await self.ctl("show", "-p", "Version", check=False)).ok:
            return
        account, linger = await asyncio.gather(
            self.session.account(self.user), self.session.stat(f"/var/lib/systemd/linger/{self.user}")
        )
        if account is None or linger is None:
            what = "does not exist" if account is None else "is not logged in and does not linger"
            raise Untouched(
                f"{self.user} on {self.session.machine} {what}, so no service manager runs for it; nothing was changed",
                remedy=f"declare User {self.user!r} with linger=True, and let this Unit depend on it",
            )
        # Right after linger was switched on the manager is still starting; this waits until it is ready.
        await self.session.run("systemctl", "start", f"user@{account.uid}.service")

    async def journal(self, unit: str) -> str:
        """Return the unit's last log lines, its own and the manager's about it."""
        match = (f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}")
        if self.user:
            account = await self.session.account(self.user)
            owner = f"_UID={account.uid if account else 0}"
            match = (owner, f"_SYSTEMD_USER_UNIT={unit}", "+", owner, f"USER_UNIT={unit}")
        # What the unit said a moment ago may not be written down yet.
        await self.session.run("journalctl", "--sync", check=False)
        done = await self.session.run("journalctl", "-q", "--no-pager", "-n", "60", *match, check=False)
        return "\n".join([line for line in lines_in(done.stdout) if not _NOISE.search(line)][-20:])

    async def start(self, unit: str, timeout: float, *, restart: bool = False, settle: bool = False) -> None:
        """Start (or restart) a unit and see that it runs; with `settle` a moment later.

        Raises NotConverged with its last log lines.
        """
        try:
            done = await self._job(unit, timeout, restart=restart)
        except DeadlineExceeded:
            raise await self._failure(unit, f"has not started within {timeout:.0f} s", "") from None
        if settle:
            await asyncio.sleep(SETTLE)
        state = await self.show(unit)
        active, result = state.get("ActiveState", "unknown"), state.get("Result", "")
        if done.ok and active in ACTIVE:
            return
        if done.ok and state.get("Type") == "oneshot" and result == "success":
            raise NotConverged(
                f"{unit} on {self.label} is a oneshot that has done its work and ended, so it can't be kept running",
                remedy="give it RemainAfterExit=yes, or leave `running` out and start it by a timer",
            )
        raise await self._failure(unit, f"did not start: it is {active}, {result}", done.stderr)

    async def _job(self, unit: str, timeout: float, *, restart: bool) -> Completed:
        """Start or restart, and once more where what failed was no fault of the unit.

        A pod stops with its last container, in the middle of that container's restart: that ends the restart, or the
        start after it. Once the pod has stopped, a start brings both back.
        """
        verb, limit = ("restart", timeout + STOPPING) if restart else ("start", timeout)
        done = await self.ctl(verb, unit, check=False, timeout=limit)
        if done.ok:
            return done
        if (await self.show(unit)).get("Result") == "start-limit-hit":
            # Wanted starts are counted like failed ones (StartLimitBurst): too many of them is no fault of the unit.
            await self.ctl("reset-failed", unit, check=False)
        elif "not found" in done.stderr:
            await self.reload()
        elif not (restart and re.search("dependency|canceled", done.stderr.lower())):
            return done
        done = await self.ctl("start", unit, check=False, timeout=timeout)
        if restart and "canceled" in done.stderr:
            done = await self.ctl("start", unit, check=False, timeout=timeout)
        return done

    async def _failure(self, unit: str, what: str, said: str) -> NotConverged:
        try:
            lines = await self.journal(unit)
        except DeadlineExceeded:
            lines = ""
        more = f"journalctl _SYSTEMD_USER_UNIT={unit}" if self.user else f"journalctl -u {unit}"
        return NotConverged(
            f"{unit} on {self.label} {what}",
            detail=lines.strip() or said,
            remedy=f"these are its last log lines (`{more}` there shows all): put right what they say, then run up"
            " again; if it only needs longer, raise start_timeout and TimeoutStartSec",
        )
