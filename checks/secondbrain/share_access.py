"""How the mounted share behaves: how fast a file is read, and what a dropped network does to whoever reads."""

from __future__ import annotations

import secrets
import time

from checks.result import CheckResult, Story
from checks.secondbrain.codes import Code
from components.secondbrain.deployed import DeployedSecondBrain, DeployedShare
from providers.machine.session import Session
from toolchain.lines import lines_in
from toolchain.waiting import as_it_is, wait_until_async

READ_MILLISECONDS = 500.0
"""How long reading a file of less than READ_BYTES may take: the project's bound."""
READ_BYTES = 1_000_000
FIND_SECONDS = 30.0
NO_HANG_SECONDS = 60.0
"""Until whoever reads must have an error once the network is gone: see ECHO_SECONDS in components.blocks.fstab."""
BACK_SECONDS = 120.0
POLL_SECONDS = 1.0
LINE_KEPT_SECONDS = 300
STORY = Story("US3", Code.SHARE)
IS_IT_ON = "Is the Windows machine on, and the network between?"

_READ = """\
import os, sys, time
folder, limit = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + 10
for here, folders, names in os.walk(folder):
    for name in sorted(names):
        path = os.path.join(here, name)
        try:
            size = os.stat(path).st_size
            if not 0 < size < limit:
                continue
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
            begun = time.monotonic()
            with open(path, "rb", buffering=0) as file:
                count = 0
                while piece := file.read(1 << 20):
                    count += len(piece)
            print(round((time.monotonic() - begun) * 1000, 1), count, path)
        except OSError:
            continue
        sys.exit()
    if time.monotonic() > deadline:
        break
"""
"""Reads the first small file of a folder, past what the kernel may still know of it: milliseconds, bytes, path."""

_DROP = """\
set -eu
mount_point=$1 account=$2 limit=$3 keep=$4 name=$5 table=4456
option() { findmnt --noheadings --types cifs --output OPTIONS "$mount_point" | tr , '\\n' | sed -n "s/^$1=//p"; }
address=$(option addr) port=$(option port)
[ -n "$address" ] || { echo "the mount does not say where its server is" >&2; exit 3; }
case $address in *:*) family=-6 ;; *) family=-4 ;; esac
rule="pref 4456 to $address ipproto tcp dport ${port:-445} lookup $table"
undo="ip $family rule del $rule; ip $family route flush table $table"
# Where this ends before its own end, the network is back all the same.
systemd-run --quiet --collect --unit=hearth-check-share --on-active="$keep" /bin/sh -c "$undo"
trap 'sh -c "$undo" || true; systemctl stop hearth-check-share.timer' EXIT
# What goes to the server's file service goes nowhere, without a word: as on a line that is cut.
ip $family route add default dev lo table $table
ip $family rule add $rule
status=0
said=$(timeout --signal=KILL "$limit" runuser -u "$account" -- cat "$mount_point/$name" 2>&1) || status=$?
echo "$status $said"
"""


async def has_cifs(session: Session) -> bool:
    """Return whether the machine's kernel can mount a Windows share."""
    asked = await session.run("sh", "-c", "grep -qw cifs /proc/filesystems || modprobe -q cifs", check=False)
    return asked.ok


async def check_read(session: Session, deployed: DeployedSecondBrain, share: DeployedShare) -> CheckResult:
    """Ask whether a small file of the share is read in time."""
    question = f"a file under 1 MB is read within {READ_MILLISECONDS:.0f} ms"
    command = ("python3", "-I", "-c", _READ, share.mount_point, str(READ_BYTES))
    result = await session.run(*command, user=deployed.account, check=False, timeout=FIND_SECONDS)
    words = result.stdout.strip().split(" ", 2)
    if not result.ok or len(words) != 3:
        said = lines_in(result.stderr.strip())[-1:] or [f"no file under 1 MB was found in {share.mount_point}"]
        return STORY.failed(question, said[0], "Put one there, and let the account read it")
    took, count, path = float(words[0]), int(words[1]), words[2]
    seen = f"{path}: {count} bytes in {took:.0f} ms"
    return STORY.verdict(took <= READ_MILLISECONDS, question, seen, "Is the network between slow or lossy?")


async def dropped(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    """Ask whether whoever reads gets an error, and no hang, where the network to the Windows machine is dropped.

    A rule of the machine's own routing drops what goes to the share's server and port, and is taken away again.
    """
    share = deployed.share
    question = "with the network dropped, reading the share is an error and no hang"
    if share is None or not await has_cifs(session):
        return STORY.skipped(
            question, "nothing is mounted: " + ("the kernel has no CIFS" if share else "there is none")
        )
    missing = await _asked(session, deployed, share)
    if "No such file" not in missing:
        return STORY.failed(question, f"the share can't be read to begin with: {missing}", IS_IT_ON)
    begun = time.monotonic()
    arguments = (share.mount_point, deployed.account, f"{NO_HANG_SECONDS:g}", str(LINE_KEPT_SECONDS), _nobodys())
    result = await session.run("sh", "-c", _DROP, "sh", *arguments, check=False, timeout=NO_HANG_SECONDS + 30)
    took = time.monotonic() - begun
    status, _, said = result.stdout.strip().partition(" ")
    if not result.ok or not status:
        return STORY.failed(question, f"the network could not be dropped: {result.stderr}", "See the machine's journal")
    if status == "137":
        return STORY.failed(question, f"it hung for {NO_HANG_SECONDS:g} s", "Does /etc/fstab say `soft`? Run `make up`")
    error = said.rpartition(": ")[2]
    if status == "0" or "No such file" in error:
        return STORY.failed(question, f"it was answered all the same: {said}", "Is the share mounted from elsewhere?")
    back = time.monotonic()
    missing = await wait_until_async(
        lambda: _asked(session, deployed, share),
        BACK_SECONDS,
        as_it_is,
        good=lambda said: "No such file" in said,
        pause=POLL_SECONDS,
    )
    if "No such file" not in missing:
        seen = f"{error!r}, but {BACK_SECONDS:g} s after the network was back still {missing!r}"
        return STORY.failed(question, seen, IS_IT_ON)
    seen = f"{error!r} after {took:.0f} s; read again {time.monotonic() - back:.0f} s after the network was back"
    return STORY.passed(question, seen)


def _nobodys() -> str:
    """Return a name that no file has, another each time.

    What is there may be in the kernel's memory and be read with no network at all, and so may be that a name, asked
    a moment before, is not there.
    """
    return f".hearth-{secrets.token_hex(8)}"


async def _asked(session: Session, deployed: DeployedSecondBrain, share: DeployedShare) -> str:
    """Return what the account is told when it reads a file that is not there."""
    command = ("timeout", "--signal=KILL", f"{NO_HANG_SECONDS:g}", "cat", f"{share.mount_point}/{_nobodys()}")
    result = await session.run(*command, user=deployed.account, check=False, timeout=NO_HANG_SECONDS + 30)
    return result.stderr.strip().rpartition(": ")[2] or f"exit status {result.status}"
