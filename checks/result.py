"""What a check found, and what a run of checks means as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum


class Status(Enum):
    """Whether what was asked holds; SKIP where it can't be asked here, and the reason says why."""

    PASS = "PASS"
    FAIL = "FAIL"
    SKIP = "SKIP"


class Code(IntEnum):
    """Exit codes, after the contract of the SecondBrain task list; the lowest of those that failed is returned."""

    OK = 0
    PREREQUISITES = 1
    """Something that all the rest needs is missing, or the stack or its machine can't be asked."""
    ACCOUNT = 2
    CONFIGURATION = 3
    """An image, a unit or a setting of what should run."""
    NOT_RUNNING = 4
    """Configured, and yet not running or not answering in time."""
    SHARE = 5


@dataclass(frozen=True)
class CheckResult:
    """One row of the table."""

    story: str
    """The user story, as `US1`."""
    question: str
    """What was asked, as a statement that holds or does not."""
    status: Status
    reason: str
    """What was seen; for FAIL also what to do."""
    code: Code
    """The exit code if this fails."""


def exit_code(results: Sequence[CheckResult]) -> int:
    """0 where nothing failed, else the lowest code of what did: what comes first has to be mended first."""
    return int(min((result.code for result in results if result.status is Status.FAIL), default=Code.OK))


@dataclass(frozen=True)
class Story:
    """Makes the rows of one user story."""

    name: str
    code: Code

    def passed(self, question: str, seen: str) -> CheckResult:
        return CheckResult(self.name, question, Status.PASS, seen, self.code)

    def skipped(self, question: str, why: str) -> CheckResult:
        return CheckResult(self.name, question, Status.SKIP, why, self.code)

    def failed(self, question: str, seen: str, remedy: str) -> CheckResult:
        return CheckResult(self.name, question, Status.FAIL, f"{seen.strip()}. {remedy}", self.code)

    def verdict(self, holds: bool, question: str, seen: str, remedy: str) -> CheckResult:
        """PASS or FAIL, by `holds`."""
        return self.passed(question, seen) if holds else self.failed(question, seen, remedy)
