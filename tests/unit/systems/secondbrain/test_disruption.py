"""The checks of a SecondBrain host that make a part fail, and how fast its share is, against a machine in memory."""

from __future__ import annotations

import pytest

from checks.result import Status
from checks.secondbrain import disruption, share_access
from checks.secondbrain.codes import Code
from checks.secondbrain.disruption import checks_of, from_zero, hung, killed
from checks.secondbrain.share_access import check_read, dropped
from components.secondbrain.deployed import DeployedSecondBrain, DeployedShare
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.systems.secondbrain.test_checks import DEPLOYED, SHARE, UNITS, WRITTEN

JOURNAL = """\
secondbrain-ollama.service: Scheduled restart job, restart counter is at 1.
container health_status 77f (image=docker.io/secondbrain/backend:latest, name=secondbrain-backend, {}, UNIT=x)
secondbrain-backend.service: Scheduled restart job, restart counter is at 1.
"""
UNHEALTHY = JOURNAL.format("health_status=unhealthy")


class Host(FakeSession):
    """A host whose backend is another one once something is done to it, where it `comes_back`."""

    def __init__(self, *, comes_back: bool = True, journal: str = UNHEALTHY) -> None:
        super().__init__(machine="brain")
        self.generation = 0

        def next_one(_call: Call) -> str:
            self.generation += comes_back
            return ""

        self.on("podman inspect", lambda _call: f"id{self.generation} healthy\n")
        self.on("podman inspect --format {{.State.Pid}}", "4711\n")
        self.on("podman kill", next_one).on("sh -c namespace", next_one)
        self.on("sh -c echo", "100\n").on("date", "1700000000\n")
        self.on("journalctl", journal)
        self.on("systemctl --user")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch):  # pyright: ignore[reportUnusedFunction]
    for module, name in (
        (disruption, "BACK_SECONDS"),
        (disruption, "FROM_ZERO_SECONDS"),
        (disruption, "POLL_SECONDS"),
        (disruption, "HEALTH_TIMEOUT"),
        (share_access, "BACK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.0)


async def test_a_container_that_is_killed_and_comes_back_passes():
    session = Host()
    row = await killed("backend")(session, DEPLOYED)
    assert (row.status, row.story, row.code) == (Status.PASS, "US2", Code.NOT_RUNNING)
    call = next(call for call in session.calls if call.line == "podman kill secondbrain-backend")
    assert call.user == "secondbrain"


async def test_a_container_that_does_not_come_back_fails_and_is_started_again():
    session = Host(comes_back=False)
    row = await killed("ollama")(session, DEPLOYED)
    assert row.status is Status.FAIL
    assert "journalctl _SYSTEMD_USER_UNIT=secondbrain-ollama.service" in row.reason
    assert session.lines()[-1] == "systemctl --user restart secondbrain-ollama.service"


@pytest.mark.parametrize("check", [killed("backend"), hung])
@pytest.mark.parametrize(("answer", "words"), [("id1 starting\n", "it is starting"), (125, "it is not there")])
async def test_what_is_not_healthy_to_begin_with_fails_and_is_left_alone(
    check: disruption.Check, answer: str | int, words: str
):
    session = Host().on("podman inspect", answer)
    row = await check(session, DEPLOYED)
    assert (row.status, row.reason[: len(words)]) == (Status.FAIL, words)
    assert not any("kill" in line for line in session.lines())


async def test_a_container_that_hangs_and_is_started_anew_passes_where_the_journal_says_both():
    session = Host()
    row = await hung(session, DEPLOYED)
    assert row.status is Status.PASS, row.reason
    stopped = next(call for call in session.calls if call.line.startswith("sh -c namespace"))
    assert (stopped.argv[-1], stopped.user) == ("4711", None)
    asked = next(call for call in session.calls if call.argv[0] == "journalctl" and "--sync" not in call.argv)
    assert (asked.argv[-2:], asked.user) == (("--since=@1700000000", "_UID=990"), None)


async def test_of_podman_4_the_journal_has_the_units_of_the_health_checks_that_failed(monkeypatch: pytest.MonkeyPatch):
    failed = "id0.service: Failed with result 'exit-code'.\n"
    restarted = "secondbrain-backend.service: Scheduled restart job, restart counter is at 1.\n"
    monkeypatch.setattr(disruption, "HEALTH_RETRIES", 3)
    assert (await hung(Host(journal=failed * 3 + restarted), DEPLOYED)).status is Status.PASS
    row = await hung(Host(journal=failed * 2 + restarted), DEPLOYED)
    assert (row.status, "lacks: that it is unhealthy." in row.reason) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("journal", "lacks"),
    [
        (JOURNAL.format("health_status=healthy"), "that it is unhealthy"),
        (UNHEALTHY.replace("name=secondbrain-backend,", "name=other,"), "that it is unhealthy"),
        (UNHEALTHY.replace("secondbrain-backend.service", "x.service"), "that its unit was started anew"),
        ("", "that it is unhealthy; that its unit was started anew"),
    ],
)
async def test_a_journal_that_does_not_say_so_fails(journal: str, lacks: str):
    row = await hung(Host(journal=journal), DEPLOYED)
    assert row.status is Status.FAIL
    assert f"lacks: {lacks}." in row.reason


async def test_a_container_that_hangs_for_good_fails():
    session = Host(comes_back=False)
    assert (await hung(session, DEPLOYED)).status is Status.FAIL
    assert session.lines()[-1] == "systemctl --user restart secondbrain-backend.service"


async def test_a_container_that_has_just_started_is_given_its_time_first(monkeypatch: pytest.MonkeyPatch):
    ages, slept = iter(["30\n", "95\n"]), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(disruption.asyncio, "sleep", sleep)
    session = Host().on("sh -c echo", lambda _call: next(ages))
    deployed = DeployedSecondBrain.model_validate({**WRITTEN, "start_timeout": 90})
    assert (await hung(session, deployed)).status is Status.PASS
    assert slept[0] == 61


async def test_a_container_whose_processes_can_not_be_stopped_fails():
    session = Host().on("sh -c namespace", Completed(1, "", "they are not apart from the machine's\n"))
    row = await hung(session, DEPLOYED)
    assert (row.status, row.reason[:51]) == (Status.FAIL, "its processes can't be stopped: they are not apart ")


async def test_all_from_nothing_passes_once_both_are_healthy_and_fails_otherwise():
    session = Host()
    assert (await from_zero(session, DEPLOYED)).status is Status.PASS
    assert session.lines()[0] == f"systemctl --user stop {' '.join(reversed(UNITS))}"
    session.on("podman inspect", lambda call: "id1 healthy" if "ollama" in call.line else "id1 starting")
    assert (await from_zero(session, DEPLOYED)).status is Status.FAIL


async def test_under_podmgr_that_is_a_skip_that_says_why():
    (check,) = checks_of(DeployedSecondBrain.model_validate({**WRITTEN, "manager": "podmgr", "units": []}))
    row = await check(FakeSession(machine="brain"), DEPLOYED)
    assert (row.status, "podmgr" in row.reason) == (Status.SKIP, True)


READ = DeployedShare.model_validate(SHARE)


@pytest.mark.parametrize(
    ("answer", "status", "seen"),
    [
        ("12.5 900 /mnt/a b.txt\n", Status.PASS, "/mnt/a b.txt: 900 bytes in 12 ms"),
        ("500.1 900 /mnt/x\n", Status.FAIL, "900 bytes in 500 ms"),
        ("", Status.FAIL, "no file under 1 MB was found in /mnt/PersonalAssistantHub"),
        (Completed(1, "", "Traceback\nOSError: Host is down\n"), Status.FAIL, "OSError: Host is down"),
    ],
)
async def test_a_file_of_the_share_is_read_in_time_or_that_fails(answer: str | Completed, status: Status, seen: str):
    session = FakeSession(machine="brain").on("python3 -I -c", answer)
    row = await check_read(session, DEPLOYED, READ)
    assert (row.status, row.code) == (status, Code.SHARE)
    assert seen in row.reason
    assert session.calls[-1].user == "secondbrain"


def reading(*said: str) -> FakeSession:
    """Return a machine on which reading the share is answered so, one after the other; the last again and again."""
    session, left = FakeSession(machine="brain"), list(said)

    def answer(_call: Call) -> Completed:
        word = left.pop(0) if len(left) > 1 else left[0]
        return Completed(1, "", f"cat: /mnt/x: {word}\n")

    return session.on("timeout", answer).on("sh -c grep -qw cifs", 0)


async def test_an_error_where_the_network_is_dropped_passes_once_the_share_is_read_again():
    session = reading("No such file or directory")
    session.on("sh -c set -eu", "1 cat: /mnt/x: Host is down\n")
    row = await dropped(session, DEPLOYED)
    assert row.status is Status.PASS, row.reason
    assert row.reason.startswith("'Host is down' after 0 s; read again")
    # The kernel may know of a name that it is not there: no name is asked for twice.
    names = [word for call in session.calls for word in call.argv if ".hearth-" in word]
    assert len({name.rpartition("/")[2] for name in names}) == len(names) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("137 \n", "it hung for 60 s"),
        ("0 what is in it\n", "it was answered all the same"),
        ("1 cat: /mnt/x: No such file or directory\n", "it was answered all the same"),
        (Completed(3, "", "the mount does not say where its server is"), "the network could not be dropped"),
    ],
)
async def test_a_hang_or_an_answer_where_the_network_is_dropped_fails(answer: str | Completed, words: str):
    session = reading("No such file or directory").on("sh -c set -eu", answer)
    row = await dropped(session, DEPLOYED)
    assert (row.status, row.code, row.reason[: len(words)]) == (Status.FAIL, Code.SHARE, words)


async def test_a_share_that_is_not_read_again_afterwards_fails():
    session = reading("No such file or directory", "Host is down")
    row = await dropped(session.on("sh -c set -eu", "1 cat: /mnt/x: Host is down\n"), DEPLOYED)
    assert row.status is Status.FAIL
    assert "after the network was back still 'Host is down'" in row.reason


async def test_a_share_that_can_not_be_read_to_begin_with_fails_and_nothing_is_dropped():
    session = reading("Host is down")
    row = await dropped(session, DEPLOYED)
    assert (row.status, "to begin with: Host is down" in row.reason) == (Status.FAIL, True)
    assert len(session.calls) == 2


async def test_where_nothing_can_be_mounted_dropping_the_network_is_a_skip():
    row = await dropped(FakeSession(machine="brain").on("sh -c grep -qw cifs", 1), DEPLOYED)
    assert (row.status, row.reason) == (Status.SKIP, "nothing is mounted: the kernel has no CIFS")
