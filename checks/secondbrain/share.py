"""US3 of the SecondBrain host: the Windows share. Without CIFS in the kernel, smbclient asks with the same secrets."""

from __future__ import annotations

import asyncio

from checks.result import CheckResult, Story
from checks.secondbrain.codes import Code
from checks.secondbrain.share_access import check_read, has_cifs
from components.secondbrain.deployed import DeployedSecondBrain, DeployedShare
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in, mount_fields

OPTIONS = ("file_mode=0640", "dir_mode=0750", "soft", "_netdev", "x-systemd.automount", "nofail")
MAKE_UP = "Run `make up` again"
IS_IT_ON = "Is the Windows machine on, and does it let this user in"
MOUNT_SECONDS = 30.0
STORY = Story("US3", Code.SHARE)


def _last(result: Completed) -> str:
    text = result.stderr.strip() or result.stdout.strip()
    return lines_in(text)[-1] if text else f"exit status {result.status}"


async def check_us3(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """US3: access to the Windows share."""
    share = deployed.share
    if not share:
        return [STORY.skipped("the share is there", "the settings have no share")]
    rows = list(await asyncio.gather(_credentials(session, share), _fstab(session, deployed, share)))
    rows.append(await _automount(session, share))
    if await has_cifs(session):
        return [*rows, *await _mounted(session, deployed, share)]
    why = "this machine's kernel has no CIFS (neither /proc/filesystems nor a module), so nothing can be mounted"
    return [*rows, STORY.skipped(f"{share.mount_point} is mounted", why), await _smbclient(session, share)]


async def _credentials(session: Session, share: DeployedShare) -> CheckResult:
    path = share.credentials_file
    question = "only root can read the credentials"
    stat = await session.stat(path)
    if stat is None:
        return STORY.failed(question, f"{path} is not there", MAKE_UP)
    seen = f"{path} {stat.mode} {stat.owner}:{stat.group}"
    return STORY.verdict((stat.mode, stat.owner, stat.group) == ("0600", "root", "root"), question, seen, MAKE_UP)


async def _fstab(session: Session, deployed: DeployedSecondBrain, share: DeployedShare) -> CheckResult:
    question = "a boot never waits for the Windows machine"
    stat = await session.stat("/etc/fstab", content=True)
    text = ((stat.content or b"") if stat else b"").decode(errors="replace")
    lines = [mount_fields(line) for line in text.split("\n")]
    found = [fields for fields in lines if len(fields) > 3 and fields[1] == share.mount_point and fields[2] == "cifs"]
    if len(found) != 1:
        return STORY.failed(question, f"/etc/fstab has {len(found)} lines for {share.mount_point}", MAKE_UP)
    options = found[0][3].split(",")
    wanted = [*OPTIONS, f"credentials={share.credentials_file}", f"uid={deployed.account_uid}"]
    missing = [option for option in wanted if option not in options]
    seen = f"/etc/fstab lacks {', '.join(missing)}" if missing else "nofail, x-systemd.automount, soft"
    return STORY.verdict(not missing, question, seen, MAKE_UP)


async def _automount(session: Session, share: DeployedShare) -> CheckResult:
    unit = await session.run("systemd-escape", "--path", "--suffix=automount", share.mount_point, check=False)
    state = await session.run("systemctl", "is-active", unit.stdout.strip(), check=False)
    question = "it is mounted at the first access"
    return STORY.verdict(state.ok, question, f"{unit.stdout.strip()} is {state.stdout.strip()}", MAKE_UP)


async def _mounted(session: Session, deployed: DeployedSecondBrain, share: DeployedShare) -> list[CheckResult]:
    path = share.mount_point
    question = f"the account sees the share's files at {path}"
    listed = await session.run("ls", path, user=deployed.account, check=False, timeout=MOUNT_SECONDS)
    if not listed.ok:
        return [STORY.failed(question, _last(listed), f"{IS_IT_ON}?")]
    entries = STORY.passed(question, f"{len(lines_in(listed.stdout))} entries")
    return [entries, await check_read(session, deployed, share)]


async def _smbclient(session: Session, share: DeployedShare) -> CheckResult:
    question = "the share's files can be listed with the same credentials"
    if not (await session.run("sh", "-c", "command -v smbclient", check=False)).ok:
        return STORY.skipped(question, "smbclient is not installed; hearth:secondbrain.share.smbclient installs it")
    place = f"//{share.server}/{share.name}"
    port = ["--port", str(share.port)] if share.port else []
    command = ["smbclient", place, "--authentication-file", share.credentials_file, *port, "--command", "ls"]
    listed = await session.run(*command, check=False, timeout=MOUNT_SECONDS)
    if not listed.ok:
        return STORY.failed(question, f"{place}: {_last(listed)}", f"{IS_IT_ON}?")
    # One line an entry, then how many blocks are free.
    entries = [line for line in lines_in(listed.stdout) if line.startswith("  ") and line.split()[0] not in (".", "..")]
    return STORY.passed(question, f"{place}: {len(entries)} entries, by smbclient")
