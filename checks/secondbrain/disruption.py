"""What a SecondBrain host does when a part fails: asked by making that part fail, so only where that is asked for.

After the acceptance of the system's own project. What fails here comes back by itself, which is what is asked; where it
does not, it is started again at the end. Nothing is lost, but whoever uses the backend notices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from checks.result import CheckResult, Story
from checks.secondbrain.codes import Code
from components.blocks.quadlet import HEALTH_RETRIES, HEALTH_TIMEOUT
from components.secondbrain.deployed import DeployedSecondBrain
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in
from toolchain.waiting import as_it_is, wait_until_async

BACK_SECONDS = 30.0
"""How long a container that was killed may take until it is healthy again: the project's bound."""
FROM_ZERO_SECONDS = 120.0
"""How long all of them may take from nothing: the same."""
POLL_SECONDS = 0.5
ROLES = ("ollama", "backend")
STORY = Story("US2", Code.NOT_RUNNING)
LOG = "See `journalctl _SYSTEMD_USER_UNIT={}` on the machine"

_STOP = """\
namespace=$(readlink "/proc/$1/ns/pid") || { echo "there is no process '$1'" >&2; exit 1; }
[ "$namespace" != "$(readlink /proc/1/ns/pid)" ] || { echo "they are not apart from the machine's" >&2; exit 1; }
for each in /proc/[0-9]*; do
  [ "$(readlink "$each/ns/pid")" != "$namespace" ] || kill -STOP "${each#/proc/}"
done
"""
"""Stops every process of the container whose first one is $1. `podman top`, which knows them, wants a control group."""

Check = Callable[[Session, DeployedSecondBrain], Awaitable[CheckResult]]


async def _as_account(session: Session, deployed: DeployedSecondBrain, *argv: str) -> Completed:
    return await session.run(*argv, user=deployed.account, check=False)


async def _seen(session: Session, deployed: DeployedSecondBrain, container: str) -> tuple[str, str]:
    """Return a container's id and health; empty where there is none."""
    form = "{{.Id}} {{.State.Health.Status}}"
    words = (await _as_account(session, deployed, "podman", "inspect", "--format", form, container)).stdout.split()
    return (words[0], words[1]) if len(words) == 2 else ("", "")


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float) -> float | None:
    """Return the seconds until something holds; None where it does not in time."""
    begun = time.monotonic()
    in_time = await wait_until_async(holds, seconds, as_it_is, pause=POLL_SECONDS)
    return time.monotonic() - begun if in_time else None


async def _settled(session: Session, deployed: DeployedSecondBrain, container: str) -> tuple[str, str]:
    """Return a container's id and health once it is healthy, or as they are when a start's time is over.

    What was done to another one before may have had it started anew, too.
    """
    found = ("", "")

    async def healthy() -> bool:
        nonlocal found
        found = await _seen(session, deployed, container)
        return found[1] == "healthy"

    await _until(healthy, float(deployed.start_timeout))
    return found


async def _anew(
    session: Session, deployed: DeployedSecondBrain, container: str, before: str, seconds: float
) -> float | None:
    """Return the seconds until a container is another one and healthy; None, and it is started, where it is late."""

    async def new() -> bool:
        found, health = await _seen(session, deployed, container)
        return found not in ("", before) and health == "healthy"

    took = await _until(new, seconds)
    if took is None:
        await _as_account(session, deployed, "systemctl", "--user", "restart", f"{container}.service")
    return took


def killed(role: str) -> Check:
    """Return the check that a container which is killed is back in time."""

    async def check(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
        container = f"{deployed.pod}-{role}"
        question = f"{container}, killed, is healthy again within {BACK_SECONDS:.0f} s"
        before, health = await _settled(session, deployed, container)
        if health != "healthy":
            return STORY.failed(question, f"it is {health or 'not there'} before it is killed", "Run `make up` again")
        result = await _as_account(session, deployed, "podman", "kill", container)
        if not result.ok:
            return STORY.failed(question, f"it can't be killed: {result.stderr}", "Run `make up` again")
        took = await _anew(session, deployed, container, before, BACK_SECONDS)
        seen = f"not after {BACK_SECONDS:.0f} s" if took is None else f"after {took:.0f} s"
        return STORY.verdict(took is not None, question, seen, LOG.format(f"{container}.service"))

    return check


async def hung(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    """Ask whether a container that fails its health check time after time is started anew, and the journal says so.

    All its processes are stopped, as in a program that hangs: they are there, and nothing answers.
    """
    container = f"{deployed.pod}-backend"
    question = f"{container}, failing its health check {HEALTH_RETRIES} times running, is started anew"
    before, health = await _settled(session, deployed, container)
    if health != "healthy":
        return STORY.failed(question, f"it is {health or 'not there'} to begin with", "Run `make up` again")
    await _past_its_start(session, deployed, container)
    since = (await session.run("date", "+%s", check=False)).stdout.strip()
    first = await _as_account(session, deployed, "podman", "inspect", "--format", "{{.State.Pid}}", container)
    stopped = await session.run("sh", "-c", _STOP, "sh", first.stdout.strip(), check=False)
    if not stopped.ok:
        return STORY.failed(question, f"its processes can't be stopped: {stopped.stderr}", "Run `make up` again")
    limit = HEALTH_RETRIES * (deployed.health_interval + HEALTH_TIMEOUT) + BACK_SECONDS
    took = await _anew(session, deployed, container, before, limit)
    if took is None:
        return STORY.failed(question, f"not after {limit:.0f} s", LOG.format(f"{container}.service"))
    # As root: what a system user's services say goes to the system's journal, which that user may not read.
    await session.run("journalctl", "--sync", check=False)  # what was said a moment ago may not be written down yet
    asked = ("journalctl", "--no-pager", "--output=cat", f"--since=@{since}", f"_UID={deployed.account_uid}")
    journal = await session.run(*asked, check=False)
    missing = _not_in(journal.stdout, container, before)
    seen = f"after {took:.0f} s, and the journal says so"
    if missing:
        seen = f"after {took:.0f} s, but the journal lacks: {'; '.join(missing)}"
    return STORY.verdict(not missing, question, seen, "Is podman's events_logger journald?")


def _not_in(journal: str, container: str, identity: str) -> Sequence[str]:
    """Return what the journal ought to say of a container that became unhealthy, and does not.

    Podman 5 writes each check's outcome; of podman 4's the journal keeps only that its unit, called by the container's
    id, failed.
    """
    lines = lines_in(journal)
    told = sum(f"name={container}," in line and "health_status=unhealthy" in line for line in lines)
    failed = sum(line.startswith(identity) and "Failed with result" in line for line in lines)
    restarted = any(line.startswith(f"{container}.service: Scheduled restart job") for line in lines)
    found = {
        "that it is unhealthy": told > 0 or failed >= HEALTH_RETRIES,
        "that its unit was started anew": restarted,
    }
    return [words for words, there in found.items() if not there]


async def _past_its_start(session: Session, deployed: DeployedSecondBrain, container: str) -> None:
    """Wait until the time is over in which podman takes a failing health check for a start that is not through yet."""
    script = 'echo $(($(date +%s) - $(podman inspect --format "{{.State.StartedAt.Unix}}" "$1")))'
    while True:
        age = (await _as_account(session, deployed, "sh", "-c", script, "sh", container)).stdout.strip()
        left = deployed.start_timeout - int(age) if age.isdigit() else 0
        if left < 0 or not age.isdigit():
            return
        await asyncio.sleep(left + 1)


async def from_zero(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    """Ask whether all of it is healthy in time, from nothing."""
    question = f"all containers are healthy within {FROM_ZERO_SECONDS:.0f} s, from nothing"
    units = [str(unit) for unit in deployed.units]
    await _as_account(session, deployed, "systemctl", "--user", "stop", *reversed(units))
    await _as_account(session, deployed, "systemctl", "--user", "reset-failed", *units)
    await _as_account(session, deployed, "systemctl", "--user", "start", "--no-block", *units)

    async def healthy() -> bool:
        found = [await _seen(session, deployed, f"{deployed.pod}-{role}") for role in ROLES]
        return all(health == "healthy" for _, health in found)

    took = await _until(healthy, FROM_ZERO_SECONDS)
    seen = f"not after {FROM_ZERO_SECONDS:.0f} s" if took is None else f"after {took:.0f} s"
    return STORY.verdict(took is not None, question, seen, LOG.format(f"{deployed.pod}-backend.service"))


async def _under_podmgr(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    why = "podmgr keeps the containers in its own way, and does not say how it restarts them"
    return STORY.skipped("containers that are killed or hang come back", why)


def checks_of(deployed: DeployedSecondBrain) -> Sequence[Check]:
    """Return the checks of a host, in an order: for a while after a start podman does not count failing health."""
    if deployed.manager == "podmgr":
        return [_under_podmgr]
    return [hung, *(killed(role) for role in ROLES), from_zero]
