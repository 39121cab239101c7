"""What a check found, and what a run of checks means as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Whether what was asked holds; SKIP where it can't be asked here, and the reason says why."""

    PASS = "PASS"
    FAIL = "FAIL"
    SKIP = "SKIP"


PASSED = 0
"""Exit code where nothing failed, of every system."""
CANT_BE_ASKED = 1
"""Exit code where the stack or its machine can't be asked, of every system; beyond that its codes are its own."""


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
    code: int
    """The exit code if this fails: one of those of the system, in checks/<key>/codes.py."""


def exit_code(results: Sequence[CheckResult]) -> int:
    """0 where nothing failed, else the lowest code of what did: what comes first has to be mended first."""
    return min((int(result.code) for result in results if result.status is Status.FAIL), default=PASSED)


@dataclass(frozen=True)
class Story:
    """Makes the rows of one user story."""

    name: str
    code: int

    def passed(self, question: str, seen: str) -> CheckResult:
        return CheckResult(self.name, question, Status.PASS, seen, self.code)

    def skipped(self, question: str, why: str) -> CheckResult:
        return CheckResult(self.name, question, Status.SKIP, why, self.code)

    def failed(self, question: str, seen: str, remedy: str) -> CheckResult:
        return CheckResult(self.name, question, Status.FAIL, f"{seen.strip()}. {remedy}", self.code)

    def verdict(self, holds: bool, question: str, seen: str, remedy: str) -> CheckResult:
        """PASS or FAIL, by `holds`."""
        return self.passed(question, seen) if holds else self.failed(question, seen, remedy)
