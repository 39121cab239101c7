"""What days of operation tell, from the lines of the journal: each check can fail."""

from __future__ import annotations

import pytest

from checks.maubot.record import check_record, recoveries
from checks.result import CheckResult, Status
from tests.unit.providers.kinds.fake_session import Call
from tests.unit.systems.maubot.test_checks import deployed, machine

GOOD = "systemd[1]: maubot-health.service: Deactivated successfully."
DEAF = "python[7]: @echo:lab.test: its sync does not move, although it was started again"
SILENT = "python[7]: maubot does not answer: Connection refused"
AWAY = "python[7]: @echo:lab.test: its homeserver http://127.0.0.1:8008 does not answer (refused)"
REVOKED = "python[7]: @echo:lab.test: its token is not good any more: run `up --refresh`, which logs it in"


def answered(*outcomes: tuple[str, float]) -> str:
    return "".join(
        f"{number}.0 python[7]: [INFO@maubot.instance.links] CODE in !room:lab.test: {outcome} after {seconds:.2f} s\n"
        for number, (outcome, seconds) in enumerate(outcomes)
    )


async def row(question: str, *, log: str = "", looks: str = "", recent: str = "") -> CheckResult:
    def journal(call: Call) -> str:
        if "--lines" in call.argv:
            return recent
        return looks if "maubot-health" in call.argv else log

    rows = await check_record(machine().on("journalctl", journal), deployed())
    (found,) = [each for each in rows if question in each.question]
    return found


@pytest.mark.parametrize(
    ("recent", "status"),
    [
        ("[INFO@maubot] all is well\n", Status.PASS),
        ("[INFO@a] x\n[ERROR@maubot.client] Sync failed\n", Status.FAIL),
        ("[CRITICAL@maubot] Failed to initialize database\n", Status.FAIL),
    ],
)
async def test_an_error_in_its_log_fails(recent: str, status: Status):
    assert (await row("T017)", recent=recent)).status is status


async def test_an_error_of_the_process_before_is_none_of_this_ones():
    session = machine().on("systemctl show maubot.service --property=InvocationID", f"InvocationID={'a1' * 16}\n")
    session.on("journalctl", "[ERROR@maubot] before\n").on(f"journalctl _SYSTEMD_INVOCATION_ID={'a1' * 16} ", "fine\n")
    (found,) = [each for each in await check_record(session, deployed()) if "T017)" in each.question]
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    ("seconds", "status"),
    [([], Status.SKIP), ([0.4, 4.9], Status.PASS), ([0.4, 5.4], Status.FAIL), ([0.4] * 199 + [9.0], Status.PASS)],
)
async def test_answers_that_came_too_late_fail(seconds: list[float], status: Status):
    found = await row("SC-001", log=answered(*(("posted", each) for each in seconds)))
    assert found.status is status, found


@pytest.mark.parametrize(
    ("posted", "others", "status"),
    [
        (19, ["private"], Status.SKIP),
        (95, ["login"] * 5, Status.PASS),
        (94, ["login"] * 6, Status.FAIL),
        (95, ["login"] * 5 + ["private", "gone", "too-large"] * 9, Status.PASS),
        (0, ["rate-limit"] * 20, Status.FAIL),
    ],
)
async def test_links_that_were_not_answered_fail_unless_it_was_the_posts_own_matter(
    posted: int, others: list[str], status: Status
):
    log = answered(*[("posted", 1.0)] * posted, *((each, 1.0) for each in others))
    found = await row("SC-006", log=log)
    assert found.status is status, found


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        ([], []),
        ([GOOD, GOOD], []),
        ([GOOD, DEAF, GOOD], [45.0]),
        ([GOOD, SILENT, SILENT, DEAF, GOOD], [135.0]),
        ([GOOD, AWAY, AWAY, AWAY, GOOD], []),
        ([GOOD, AWAY, AWAY, DEAF, GOOD], [45.0]),
        ([DEAF, AWAY, DEAF, DEAF, GOOD], [90.0]),
        ([GOOD, REVOKED, REVOKED, GOOD, DEAF, GOOD], [45.0]),
        ([GOOD, DEAF], []),
    ],
)
async def test_the_time_until_all_was_well_again_counts_from_the_homeservers_return(
    looks: list[str], seconds: list[float]
):
    lines = [f"{1_764_000_000 + 45 * number}.000000 {line}" for number, line in enumerate(looks)]
    assert recoveries(lines) == seconds
    assert recoveries(["-- Boot 5 --", *lines]) == seconds
    found = await row("SC-004", looks="\n".join(lines))
    wanted = Status.SKIP if not seconds else Status.FAIL if max(seconds) > 120 else Status.PASS
    assert found.status is wanted
