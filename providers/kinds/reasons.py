"""Why something is still not as it is wished although all that was done went well: what the machine itself can tell.

Each answer is one line, or empty where nothing is known. Looked up only when it is needed.
"""

from __future__ import annotations

import re
import shlex

from providers.machine.session import Session
from toolchain.lines import lines_in

_WITHOUT_OWNERS = (
    "vfat",
    "exfat",
    "msdos",
    "ntfs",
    "ntfs3",
    "fuseblk",
    "cifs",
    "smb3",
    "9p",
    "virtiofs",
    "fuse",
    "nfs",
)
_TMPFILES = """
grep -lsE "^[a-zA-Z]+[!+=~^-]* +$pattern( |$)" /etc/tmpfiles.d/*.conf /run/tmpfiles.d/*.conf /usr/lib/tmpfiles.d/*.conf
"""


async def owners(session: Session, path: str) -> str:
    """Return why owner or mode of a path do not stay as they are set."""
    escaped = re.sub(r"([^\w/-])", r"\\\1", path)
    settings = f"pattern={shlex.quote(escaped)}\n"
    found = await session.run("findmnt", "-n", "-o", "FSTYPE,TARGET", "--target", path, check=False)
    kind, _, point = found.stdout.strip().partition(" ")
    if kind.split(".")[0] in _WITHOUT_OWNERS:
        return f"the file system there ({kind}, mounted at {point.strip()}) may not keep owners and modes"
    rules = (await session.run("sh", script=settings + _TMPFILES, check=False)).stdout.split()
    if rules:
        return f"systemd-tmpfiles sets it by {rules[0]}"
    return (
        f"another program sets it; the file system ({kind}, mounted at {point.strip()}) would keep it" if kind else ""
    )


async def account(session: Session, name: str) -> str:
    """Return why an account is not as it was made: it may be another database's."""
    local = await session.run("grep", "-q", f"^{re.escape(name)}:", "/etc/passwd", check=False)
    if local.ok or await session.account(name) is None:
        return ""
    sources = await session.run("sed", "-n", r"s/^passwd:[[:space:]]*//p", "/etc/nsswitch.conf", check=False)
    return (
        f"{name} is not in /etc/passwd: it comes from another database (nsswitch.conf has: {sources.stdout.strip()}),"
        " and has to be changed there"
    )


async def package(session: Session, name: str) -> str:
    """Return why a package has not the version that was asked for, or is not there."""
    said = (await session.run("apt-cache", "policy", name, check=False)).stdout
    found = dict(re.findall(r"^ +(Installed|Candidate|Package pin): (.*)$", said, re.MULTILINE))
    if not found:
        return "apt does not know it"
    pin = f", pinned to {found['Package pin']}" if "Package pin" in found else ""
    return (
        f"apt has {found.get('Installed', '(none)')} installed and would take {found.get('Candidate', '(none)')}{pin}"
    )


async def environment(session: Session, path: str, owner: str | None) -> str:
    """Return why a Python environment does not hold what was asked for."""
    user = None if owner in (None, "root") else owner
    done = await session.run(f"{path}/bin/python", "-m", "pip", "check", user=user, check=False)
    lines = [line for line in lines_in(done.stdout) if line.strip()]
    if done.ok or not lines:
        return "what was installed has another name or version: see pip's own settings there (pip config list)"
    return f"its packages do not agree with each other: {lines[0]}"


async def unit(session: Session, service: str, user: str | None) -> str:
    """Return why a unit is not as it was told to be."""
    scope = ("--user",) if user else ()
    names = "LoadState,LoadError,ActiveState,SubState,Result,ConditionResult,AssertResult,NeedDaemonReload"
    done = await session.run("systemctl", *scope, "show", "-p", names, service, user=user, check=False)
    shown = dict(line.split("=", 1) for line in lines_in(done.stdout) if "=" in line)
    if not shown:
        return "its service manager does not answer"
    if shown.get("LoadState") not in ("loaded", None):
        return f"its manager finds it {shown['LoadState']} {shown.get('LoadError', '')}".strip()
    if shown.get("NeedDaemonReload") == "yes":
        return "a file of it has been changed again since: another program writes it"
    if shown.get("ConditionResult") == "no" or shown.get("AssertResult") == "no":
        return "a condition in its text (Condition...=, Assert...=) does not hold on this machine, so it is not started"
    state = f"{shown.get('ActiveState', '')} ({shown.get('SubState', '')})"
    return f"it is {state}, and its last result was {shown.get('Result', '')}"
