"""Does the SecondBrain host work? The independent tests of its task list, asked of the machine itself.

`deployed` is the stack's output of that name. Every function takes a session on the machine, changes nothing there, and
may be called by tests.
"""

from __future__ import annotations

import asyncio
import re

from checks.result import CheckResult, Story
from checks.secondbrain.codes import Code
from components.secondbrain.deployed import DeployedSecondBrain
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in
from toolchain.waiting import as_it_is, wait_until_async

COMMANDS = ("podman", "systemctl", "loginctl", "machinectl", "newuidmap")
MAKE_UP = "Run `make up` again"
POLL_SECONDS = 2.0
_ASK = (
    "import sys, urllib.request as request\n"
    "answer = request.build_opener(request.ProxyHandler({})).open(sys.argv[1], timeout=5)\n"
    "print(answer.status, answer.read(200).decode(errors='replace').strip())\n"
)
# On cgroup v1, podman warns about it with every command.
_NOISE = re.compile(r"^time=.*cgroups-v1.*$", re.MULTILINE)


def _said(result: Completed) -> str:
    """Return the last line of what a command wrote, errors first."""
    text = _NOISE.sub("", result.stderr).strip() or result.stdout.strip()
    return lines_in(text)[-1] if text else f"exit status {result.status}"


async def _account_run(session: Session, deployed: DeployedSecondBrain, *argv: str) -> Completed:
    return await session.run(*argv, user=deployed.account, check=False)


async def check_prerequisites(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """T004: the programs that everything else needs."""
    story = Story("US1", Code.PREREQUISITES)
    asked = "\n".join(f"command -v {command} >/dev/null || echo {command}" for command in COMMANDS)
    result = await session.run("sh", script=asked, check=False)
    missing = result.stdout.split()
    seen = f"missing: {', '.join(missing)}" if missing else ", ".join(COMMANDS)
    return [story.verdict(not missing, "the prerequisites are installed", seen, MAKE_UP)]


async def check_us1(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """US1: an isolated service account."""
    story, name = Story("US1", Code.ACCOUNT), deployed.account
    account = await session.account(name)
    if account is None:
        return [story.failed(f"the account {name} exists", "there is no such user", MAKE_UP)]
    seen = f"uid {account.uid}, home {account.home}, shell {account.shell}"
    right = account.shell.endswith("nologin") and account.home == deployed.account_home
    rows = [story.verdict(right, f"the account {name} exists and nobody can log in as it", seen, MAKE_UP)]
    rows += await asyncio.gather(
        _subordinate_ids(session, deployed, story),
        _linger(session, deployed, story),
        _isolation(session, deployed, story),
    )
    return rows


async def _subordinate_ids(session: Session, deployed: DeployedSecondBrain, story: Story) -> CheckResult:
    name, wanted = deployed.account, deployed.subordinate_range
    files = await asyncio.gather(*(session.stat(path, content=True) for path in ("/etc/subuid", "/etc/subgid")))
    question = "it has subordinate ids that overlap nobody's"
    for path, stat in zip(("/etc/subuid", "/etc/subgid"), files, strict=True):
        lines = ((stat.content or b"") if stat else b"").decode(errors="replace").split()
        if f"{name}:{wanted}" not in lines:
            return story.failed(question, f"{path} has no {name}:{wanted}", MAKE_UP)
        start, count = (int(number) for number in wanted.split(":"))
        for line in lines:
            other, _, rest = line.partition(":")
            first, _, length = rest.partition(":")
            if other != name and length.isdigit() and int(first) < start + count and start < int(first) + int(length):
                return story.failed(question, f"{path}: {wanted} overlaps {line}", "Give the account a free range")
    return story.passed(question, wanted)


async def _linger(session: Session, deployed: DeployedSecondBrain, story: Story) -> CheckResult:
    result = await session.run("loginctl", "show-user", deployed.account, "--property=Linger", check=False)
    question = "its services run without anybody logged in"
    return story.verdict(result.ok and result.stdout.strip() == "Linger=yes", question, _said(result), MAKE_UP)


async def _isolation(session: Session, deployed: DeployedSecondBrain, story: Story) -> CheckResult:
    """T009: the account can't list another user's home."""
    question = "it can't read another user's home"
    listed = await session.run("getent", "passwd", check=False)
    home_of = {
        fields[5]: fields[0] for fields in (line.split(":") for line in lines_in(listed.stdout)) if len(fields) > 5
    }
    homes = sorted(home for home in home_of if home == "/root" or home.startswith("/home/"))
    loop = 'for home in "$@"; do [ -d "$home" ] && ls "$home" >/dev/null 2>&1 && echo "$home"; done; exit 0'
    result = await _account_run(session, deployed, "sh", "-c", loop, "sh", *homes)
    readable = result.stdout.split()
    if not result.ok:
        return story.failed(question, f"it could not be asked: {_said(result)}", MAKE_UP)
    users = ", ".join(home_of[home] for home in readable)
    return story.verdict(
        not readable,
        question,
        f"it can read {', '.join(readable)}" if readable else f"denied: {', '.join(homes)}",
        f"Add {users} to hearth:secondbrain.account.private-homes",
    )


async def check_us2(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    """US2: a managed container lifecycle."""
    if deployed.manager == "podmgr":
        return [await _podmgr_running(session, deployed), *await _answers(session, deployed)]
    configured = await _units(session, deployed)
    running = await _running(session, deployed)
    return [*configured, running, *await _answers(session, deployed)]


async def _units(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    story, units = Story("US2", Code.CONFIGURATION), [str(unit) for unit in deployed.units]
    show = ("systemctl", "--user", "show", "--property=Id,LoadState,Restart", *units)
    shown, wanted = await asyncio.gather(
        _account_run(session, deployed, *show),
        _account_run(session, deployed, "systemctl", "--user", "show", "--property=Wants", "--value", "default.target"),
    )
    blocks = [
        dict(line.split("=", 1) for line in lines_in(block)) for block in shown.stdout.strip().split("\n\n") if block
    ]
    missing = sorted(set(units) - {block["Id"] for block in blocks if block.get("LoadState") == "loaded"})
    rows = [
        story.verdict(
            shown.ok and not missing,
            "the pod is defined as units",
            f"not there: {', '.join(missing)}" if missing else ", ".join(units),
            f"{MAKE_UP}; a unit that podman can't read shows in `journalctl -b`",
        )
    ]
    # A network has no boot to start at: what needs it starts it.
    at_boot = [unit for unit in units if not unit.endswith("-network.service")]
    absent = sorted(set(at_boot) - set(wanted.stdout.split()))
    rows.append(
        story.verdict(
            wanted.ok and not absent,
            "they start at boot",
            f"default.target does not want {', '.join(absent)}" if absent else "wanted by default.target",
            MAKE_UP,
        )
    )
    fragile = [
        block["Id"]
        for block in blocks
        if "-pod." not in block["Id"] and "-network." not in block["Id"] and block.get("Restart") != "always"
    ]
    seen = f"Restart is not always: {', '.join(fragile)}" if fragile else "Restart=always"
    rows.append(story.verdict(not fragile, "containers are started anew when they end", seen, MAKE_UP))
    return rows


async def _running(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    """Wait as long as a start may take, and return whether every service is active, which it is once healthy."""
    story, units = Story("US2", Code.NOT_RUNNING), [str(unit) for unit in deployed.units]
    question = f"all containers run and are healthy within {deployed.start_timeout} s"
    result = await wait_until_async(
        lambda: _account_run(session, deployed, "systemctl", "--user", "is-active", *units),
        deployed.start_timeout,
        as_it_is,
        good=lambda found: found.stdout.split() == ["active"] * len(units),
        pause=POLL_SECONDS,
    )
    states = result.stdout.split()
    late = [f"{unit} is {state}" for unit, state in zip(units, states, strict=False) if state != "active"]
    if not late and len(states) == len(units):
        return story.passed(question, f"{len(units)} units active")
    unit = late[0].split()[0] if late else units[0]
    # As root: what a system user's services say goes to the system's journal, which that user may not read.
    of_it = (f"_UID={deployed.account_uid}", f"USER_UNIT={unit}", "+", f"_SYSTEMD_USER_UNIT={unit}")
    log = await session.run("journalctl", "--no-pager", "--lines=3", "--output=cat", *of_it, check=False)
    return story.failed(question, "; ".join(late) or _said(result), f"Its last log lines: {log.stdout.strip()}")


async def _podmgr_running(session: Session, deployed: DeployedSecondBrain) -> CheckResult:
    """T015, with the task list's own command."""
    story, pod = Story("US2", Code.NOT_RUNNING), deployed.pod
    command = f"source /opt/podmgr/.venv/bin/activate && podmgr pod status {pod}"

    def running(found: Completed) -> bool:
        names = ("ollama", "backend")
        return found.ok and all(re.search(rf"(?m)^.*\b{name}\b.*\brunning\b", found.stdout) for name in names)

    result = await wait_until_async(
        lambda: _account_run(session, deployed, "/bin/bash", "-c", command),
        deployed.start_timeout,
        as_it_is,
        good=running,
        pause=POLL_SECONDS,
    )
    question = "podmgr says that all containers run"
    seen = " / ".join(result.stdout.split("\n")).strip(" /") or _said(result)
    return story.verdict(running(result), question, seen, MAKE_UP)


async def _answers(session: Session, deployed: DeployedSecondBrain) -> list[CheckResult]:
    story = Story("US2", Code.NOT_RUNNING)
    asked = [("the backend answers", f"{deployed.backend_url}{deployed.health_path}")]
    if deployed.ollama_url:
        asked.append(("ollama answers", f"{deployed.ollama_url}/api/version"))
    results = await asyncio.gather(*(session.run("python3", "-c", _ASK, url, check=False) for _, url in asked))
    return [
        story.verdict(
            result.ok, question, f"{url}: {_said(result)}", "See `make check` rows above for the units' state"
        )
        for (question, url), result in zip(asked, results, strict=True)
    ]
