"""Phase 1 of the task list: the environment file of a machine (28_test_env_setup)."""

from __future__ import annotations

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd.deployed import DeployedCluster
from providers.machine.session import Session

STORY = Story("28", Code.CONFIGURATION)
MAKE_UP = "Run `make up` again"
_NAMES = """
set -a
. "$(cat)"
for name in "$@"; do eval "[ -n \\"\\${$name:-}\\" ]" || echo "$name"; done
"""


async def check_environment(session: Session, deployed: DeployedCluster) -> list[CheckResult]:
    """Ask whether the file is there, for its owner alone, and a shell finds every required variable in it.

    No value is shown.
    """
    wanted, machine = deployed.environment, session.machine
    path = wanted["path"]
    stat = await session.stat(path)
    there = f"{machine} has its environment file"
    if stat is None:
        return [STORY.failed(there, f"there is no {path}", MAKE_UP)]
    found = [STORY.verdict(stat.type == "file", there, f"{path} is a {stat.type}", MAKE_UP)]
    alone = stat.mode == "0600" and stat.owner == wanted["owner"]
    seen = f"{path} is {stat.mode} of {stat.owner}"
    found.append(STORY.verdict(alone, f"{machine}: only {wanted['owner']} may read it", seen, MAKE_UP))
    required = wanted["required"].split()
    if required:
        # The names are ours, and checked to be names; `sh -c` takes them as arguments after its own.
        done = await session.run("sh", "-c", _NAMES, "sh", *required, stdin=path, check=False, timeout=20)
        missing = done.stdout.split() if done.ok else required
        seen = f"missing: {', '.join(missing)}" if missing else f"{', '.join(required)} are set"
        found.append(STORY.verdict(not missing, f"{machine}: every required variable is there", seen, MAKE_UP))
    return found
