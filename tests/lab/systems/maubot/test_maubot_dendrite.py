"""maubot with its own two plugins, another homeserver and another database.

Dendrite registers by a stage `dummy` alone, can't be asked about tokens and takes small files only. The database is
PostgreSQL.

One machine and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from checks.result import Status
from lab import Machine, Snapshot
from lab.systems.maubot import instagram
from lab.systems.maubot.dendrite.build import DENDRITE
from lab.systems.maubot.dendrite.server import UPLOAD_BYTES, Dendrite
from tests.lab.conftest import MachineFactory
from tests.lab.support import journal, lasting_difference, skip_or_fail, until
from tests.lab.systems.maubot.stack import OTHERS, REPLY_SECONDS, TOLD, TRIES, Json, Stack, real_plugins
from tests.lab.systems.whole_program import failures
from toolchain.waiting import as_it_is, wait_until

pytestmark = pytest.mark.timeout(900)
URL = "postgresql://maubot:p%40ss%2Fword@127.0.0.1:5432/maubot"
DATABASE = "runuser -u postgres -- psql -qc"
PHOTOS = [f"DENDRITE10{number}" for number in range(TRIES)]
POSTS = {**{code: ["1.jpg"] for code in PHOTOS}, "DENDRITE002": ["large.mp4"]}


@dataclass
class Vps:
    """The machine, its homeserver, the stack, and how the machine was before."""

    machine: Machine
    homeserver: Dendrite
    stack: Stack
    before: Snapshot
    rooms: dict[str, str] = field(default_factory=dict)

    def wish(self) -> Json:
        return real_plugins(self.rooms, database="postgresql", **{"homeserver-unit": "dendrite"})

    def asked(self, query: str) -> str:
        return self.machine.run(f'runuser -u postgres -- psql -qAt maubot -c "{query}"').stdout.strip()


@pytest.fixture(scope="module")
def vps(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    if DENDRITE.built() is None:
        skip_or_fail("Dendrite is not built on this computer: python -m lab.systems.maubot.dendrite")
    made = machine("dendrite", image="machine-matrix")
    homeserver = Dendrite(made)
    homeserver.begin()
    instagram.begin(made, POSTS, {"large.mp4": UPLOAD_BYTES + 1})
    role, database = "CREATE ROLE maubot LOGIN PASSWORD 'p@ss/word'", "CREATE DATABASE maubot OWNER maubot"
    made.run(f'{DATABASE} "{role}" && {DATABASE} "{database}"')
    stack = Stack(tmp_path_factory.mktemp("dendrite"), made, homeserver, {})
    stack.secrets(database_url=URL)
    found = Vps(made, homeserver, stack, made.snapshot())
    stack.settings(found.wish())
    return found


@pytest.fixture(scope="module")
def up(vps: Vps) -> str:
    printed = vps.stack.up()
    vps.rooms |= {bot: vps.homeserver.ask("room", bots=[f"@{bot}:lab.test"]) for bot in ("echo-a", "echo-b")}
    vps.stack.settings(vps.wish())
    vps.stack.up()
    return printed


def test_bots_are_registered_by_what_this_homeserver_asks_for_and_a_second_up_changes_nothing(vps: Vps, up: str):
    vps.stack.up("--refresh", "--expect-no-changes")
    assert json.loads(vps.machine.read("/var/lib/maubot-accounts/echo-a.json"))["device_id"] == "MAUBOT"


def test_a_link_is_answered_and_what_this_homeserver_does_not_take_is_said_so(vps: Vps, up: str):
    seen: list[Json] = []
    for code in PHOTOS:
        told = f"https://www.instagram.com/p/{code}/?igsh=x"
        seen.append(vps.homeserver.ask("tell", room=vps.rooms["echo-a"], text=told))
        kinds = [kind for kind, _ in seen[-1]["replies"]]
        if kinds == ["m.image", "m.notice"] and seen[-1]["seconds"] < REPLY_SECONDS:
            break
    else:
        pytest.fail(f"no link was answered in time: {seen}")
    found = vps.homeserver.ask("tell", room=vps.rooms["echo-a"], text="https://www.instagram.com/reel/DENDRITE002/")
    assert "the limit here is" in found["replies"][0][1], found
    found = vps.homeserver.ask("tell", room=vps.rooms["echo-b"], text="!echo are you there?")
    assert found["replies"] == [["m.notice", "are you there?"]]


def test_in_a_room_that_is_not_subscribed_both_bots_are_silent(vps: Vps, up: str):
    other = vps.homeserver.ask("room", bots=["@echo-a:lab.test", "@echo-b:lab.test"])
    for text in (f"https://www.instagram.com/p/{PHOTOS[0]}/", "!echo anybody?"):
        assert vps.homeserver.ask("tell", room=other, text=text, patience=4.0)["replies"] == []


def test_every_check_passes_there_too(vps: Vps, up: str):
    # A busy machine may take longer for the page than an operator would wait.
    rows = wait_until(vps.stack.check, 180, as_it_is, good=lambda found: not failures(found), pause=10)
    assert failures(rows) == []
    in_time = next(row for row in rows if "SC-001" in row.question)
    assert (in_time.status, "100.0% of " in in_time.reason) == (Status.PASS, True), in_time  # the links above


def test_maubots_own_data_is_in_postgresql(vps: Vps, up: str):
    assert vps.asked("SELECT count(*) FROM client") == "2"
    assert not vps.machine.exists("/var/lib/maubot/bot.db")
    assert "p%40ss" not in json.dumps(vps.stack.workspace.state()) + vps.machine.run("ps axeww").stdout


def test_a_bot_that_hears_nothing_any_more_is_found_and_started_again_by_how_far_it_has_come(vps: Vps, up: str):
    far = "SELECT next_batch FROM client WHERE id = '@echo-b:lab.test'"
    vps.stack.look()
    before = vps.asked(far)
    vps.stack.api("PUT", "/client/@echo-b:lab.test", {"started": False})
    vps.stack.look()
    said = journal(vps.machine, "-u maubot-health -o cat -n 20")
    assert "@echo-b:lab.test had stopped hearing its rooms, and was started again" in said
    until(lambda: vps.asked(far) != before, "its sync has moved", 60)
    found = vps.homeserver.ask("say", room=vps.rooms["echo-b"], text="!echo heard", patience=120.0, every=3.0)
    assert found["seconds"] is not None


def test_a_backup_of_postgresql_is_whole_and_brings_everything_back(vps: Vps, up: str):
    machine, program = vps.machine, "python3 -I /usr/local/lib/hearth-maubot/backup.py restore"
    machine.run("systemctl start maubot-backup.service")
    folder = machine.run("ls -d /var/backups/maubot/????-*").stdout.split()[-1]
    instances = vps.asked("SELECT id, type, config FROM instance ORDER BY id")
    assert instances
    assert "runs, and nothing was touched" in machine.run(f"{program} {TOLD} {folder}", check=False).stderr
    machine.run("systemctl stop maubot && rm /var/lib/maubot/dbs/*")
    vps.asked("DELETE FROM instance")
    vps.asked("DELETE FROM client")
    said = machine.run(f"{program} {TOLD} {folder}").stdout
    kept = f"restored {folder}/bot.dump; what was there before is in /var/backups/maubot/bot.dump.before-"
    assert kept in said
    machine.run("systemctl start maubot")
    assert vps.asked("SELECT id, type, config FROM instance ORDER BY id") == instances
    found = vps.homeserver.ask("say", room=vps.rooms["echo-b"], text="!echo back", patience=120.0, every=3.0)
    assert found["seconds"] is not None
    vps.stack.has_not_drifted()


def test_destroy_leaves_the_machine_as_it_was_and_the_homeservers_people_alone(vps: Vps, up: str):
    vps.stack.destroy()
    known = (*OTHERS, "/var/lib/dendrite", "/var/lib/instagram-stand-in")
    assert lasting_difference(vps.before, vps.machine, but_for=known) == []
    assert vps.homeserver.ask("login", user="bob", password="a-persons-password")
    assert vps.asked("SELECT count(*) FROM client") == "0"  # the database is not Hearth's to remove
