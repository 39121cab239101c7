"""What maubot's own logs tell of the days behind it: answers, their times, recoveries. And what nobody can ask here.

The lines are those of the plugin `sna.instagram` (apps/sna-instagram/sna_instagram/bot.py) and of the health program
(components/maubot/programs/health.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from checks.maubot.codes import Code
from checks.result import CheckResult, Story
from components.maubot.deployed import DeployedMaubot
from providers.machine.session import Session
from toolchain.lines import lines_in

DAYS = 7
REPLY_SECONDS, IN_TIME_SHARE = 5.0, 0.99
ANSWERED_SHARE, LINKS = 0.95, 20
"""How many of the links that could be answered were, and from how many on that tells something."""
BACK_SECONDS = 120.0
LOG_LINES = 50
OWN_MATTER = frozenset({"private", "gone", "too-large"})
"""Outcomes that are the post's own matter: no bot could have answered with it."""
_ANSWER = re.compile(r"in (!\S+): ([a-z-]+) after ([0-9.]+) s$")
_TIME = re.compile(r"^(\d+\.\d+) ")


async def check_record(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """T017, SC-001, SC-004, SC-006; and a SKIP with its reason for what can't be asked of a machine."""
    log, looks, recent = await asyncio.gather(
        _journal(session, "maubot", "after [0-9.]+ s$", f"-{DAYS}d"),
        _journal(session, "maubot-health", "Deactivated successfully|does not|not good any more", f"-{DAYS}d"),
        _recent(session),
    )
    answers = [(found[2], float(found[3])) for line in log if (found := _ANSWER.search(line))]
    errors = [line for line in recent if line.startswith(("[ERROR@", "[CRITICAL@"))]
    service, users = Story("US1", Code.NOT_RUNNING), Story("US1", Code.RECORD)
    return [
        service.verdict(
            not errors,
            f"the last {LOG_LINES} lines of its log since it was started tell of no error (T017)",
            errors[-1][:200] if errors else "none",
            "journalctl -u maubot -n 50; once it is put right: systemctl restart maubot",
        ),
        _in_time(users, [seconds for _, seconds in answers]),
        _answered(users, [outcome for outcome, _ in answers]),
        _recovered(Story("US3", Code.RECORD), recoveries(looks)),
        *_unasked(service),
    ]


async def _journal(session: Session, unit: str, grep: str, since: str) -> list[str]:
    words = ("--since", since, "--output", "short-unix", "--quiet", "--no-pager", f"--grep={grep}")
    return lines_in((await session.run("journalctl", "--unit", unit, *words, check=False)).stdout)


async def _recent(session: Session) -> list[str]:
    """Return the last lines of the process that runs now: a restart ends what an error says of the one before."""
    shown = await session.run("systemctl", "show", "maubot.service", "--property=InvocationID", check=False)
    run = re.search(r"InvocationID=([0-9a-f]{32})", shown.stdout)
    which = [f"_SYSTEMD_INVOCATION_ID={run[1]}"] if run else ["--unit", "maubot"]
    words = ("--lines", str(LOG_LINES), "--output", "cat", "--quiet")
    return lines_in((await session.run("journalctl", *which, *words, check=False)).stdout)


def _in_time(story: Story, seconds: list[float]) -> CheckResult:
    question = f"links were answered within {REPLY_SECONDS:.0f} s (T026, SC-001)"
    if not seconds:
        return story.skipped(question, f"no link has been answered in {DAYS} days; its log tells")
    share = sum(each <= REPLY_SECONDS for each in seconds) / len(seconds)
    seen = f"{share:.1%} of {len(seconds)} in {DAYS} days, the slowest after {max(seconds):.1f} s"
    return story.verdict(share >= IN_TIME_SHARE, question, seen, "See how busy the machine and the homeserver are")


def _answered(story: Story, outcomes: list[str]) -> CheckResult:
    question = f"{ANSWERED_SHARE:.0%} of the links that could be were answered with what is behind them (SC-006)"
    counted = [outcome for outcome in outcomes if outcome not in OWN_MATTER]
    if len(counted) < LINKS:
        return story.skipped(question, f"only days of operation tell: {len(counted)} links so far, {LINKS} tell")
    share = counted.count("posted") / len(counted)
    worst = max(sorted(set(counted) - {"posted"}), key=counted.count, default="")
    seen = f"{share:.1%} of {len(counted)} in {DAYS} days" + (f", mostly {worst}" if worst else "")
    return story.verdict(share >= ANSWERED_SHARE, question, seen, "apps/sna-instagram/README.md tells each outcome")


def recoveries(lines: Iterable[str]) -> list[float]:
    """Return the seconds of each recovery that the health timer saw.

    Each is from the first look that found a bot or maubot down to the first that found all well. While the homeserver
    itself is away nobody can be back, so the time begins with its return; what takes somebody's hand counts for none.
    """
    found: list[float] = []
    begun: float | None = None
    by_hand = False
    for line in lines:
        time = _TIME.match(line)
        if time is None:
            continue
        if "Deactivated successfully" in line:
            if begun is not None and not by_hand:
                found.append(float(time[1]) - begun)
            begun, by_hand = None, False
        elif "its homeserver" in line:
            begun = None
        elif "run `up --refresh`" in line:
            by_hand = True
        elif begun is None:
            begun = float(time[1])
    return found


def _recovered(story: Story, seconds: list[float]) -> CheckResult:
    question = f"what was down was back within {BACK_SECONDS / 60:.0f} minutes (T034, T035, SC-004)"
    if not seconds:
        return story.skipped(question, f"only days of operation tell: nothing was down in {DAYS} days")
    seen = f"{len(seconds)} times in {DAYS} days, after {max(seconds):.0f} s at most"
    return story.verdict(max(seconds) <= BACK_SECONDS, question, seen, "journalctl -u maubot-health")


def _unasked(story: Story) -> list[CheckResult]:
    return [
        story.skipped(
            "a message in Slack reaches Matrix within 5 s (T017b)",
            "only who is in that Slack can tell; whether mautrix-slack is well is asked",
        ),
        story.skipped(
            "each phase is committed (T013d, T013h, T017c)",
            "the settings are in this project's git; what is committed of the flake is its owner's affair",
        ),
        story.skipped("SC-005, SC-008", "the task list names them and does not say what they are"),
    ]
