"""What goes wrong with maubot on a lab machine: each is said in words, and nothing is lost; at last the machine itself.

One machine and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.systems.maubot.homeserver import Synapse
from tests.lab.conftest import MachineFactory
from tests.lab.project import about
from tests.lab.support import lasting_difference, until
from tests.lab.systems.maubot.stack import BOT_PASSWORD, BOTS, ECHO, OTHERS
from tests.lab.systems.maubot.story import FIGURES, Vps, made_ready

pytestmark = pytest.mark.timeout(900)
PATIENCE = 120.0
"""Seconds for a reply where it is not asked how quick it is."""
TWO = BOTS[:2]
LIFE_SECONDS = 5.0
"""Of a token that is expired by when it is used, and was not when it was made, on a machine that may be busy."""
ODD = "odd/bot=1+x._-"
UPLOADED = 5_000_000
"""Bytes of a large plugin: more than a file's content is read by itself."""


@pytest.fixture(scope="module")
def vps(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    """Make the machine with its homeserver and two bots, each in a room of its own, and the admins' room."""
    found = made_ready(machine("maubot-errors", image="machine-matrix"), tmp_path_factory.mktemp("errors"))
    found.is_set_to(2)
    found.stack.up()
    found.rooms |= {bot: found.homeserver.ask("room", bots=[f"@{bot}:lab.test"]) for bot in TWO}
    found.rooms["admins"] = found.homeserver.ask("room", bots=["@echo-a:lab.test"], alias="admins")
    found.is_set_to(2)
    found.stack.up()
    return found


@pytest.fixture
def mended(vps: Vps, request: pytest.FixtureRequest) -> Iterator[Vps]:
    """Whatever a test breaks, it has mended by its end; where it failed, that is done here."""
    failed = request.session.testsfailed
    yield vps
    vps.stack.secrets()
    vps.is_set_to(2)
    if request.session.testsfailed != failed:
        vps.stack.up("--refresh")


def answer(vps: Vps) -> bool:
    """Return whether both bots answer; asked again every three seconds."""
    return all(vps.says(bot, patience=PATIENCE, every=3.0) is not None for bot in TWO)


def test_a_wrong_and_an_expired_registration_token_are_said_so_and_nothing_is_lost(mended: Vps):
    expired = mended.homeserver.ask("registration_token", seconds=LIFE_SECONDS)
    end = time.monotonic() + LIFE_SECONDS
    passwords = "".join(f"{bot}={BOT_PASSWORD}\n" for bot in (*TWO, "d"))
    wish = mended.wish(2)
    mended.stack.settings({**wish, "bots": {**wish["bots"], "d": {}}})
    for token in ("wrong", expired):
        if token == expired:
            time.sleep(max(0.0, end - time.monotonic()))
        mended.stack.secrets(registration_token=token, bot_passwords=passwords)
        assert "registration token is not valid" in mended.stack.failed_up()
        assert "@d:lab.test" not in mended.homeserver.users()
    assert answer(mended)


def test_an_instance_that_does_not_start_and_a_key_that_nobody_knows_are_errors_that_name_them(mended: Vps):
    wish = mended.wish(2)
    wish["instances"]["echo-a-1"]["config"]["prefixx"] = 1
    wish["instances"]["echo-b-1"]["config"]["broken"] = True
    mended.stack.settings(wish)
    printed = mended.stack.failed_up("--continue-on-error")
    assert "does not know config.prefixx" in about(printed, "maubot-instance-echo-a-1")
    assert "the instance echo-b-1, and it did not start" in about(printed, "maubot-instance-echo-b-1")
    assert mended.says("echo-a", patience=PATIENCE, every=3.0) is not None
    wish = mended.wish(2)
    wish["instances"]["echo-b-1"]["config"]["broken"] = False
    mended.stack.settings(wish)
    mended.stack.up()
    assert answer(mended)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x = 1\nthis is no Python\n", "echo.py, line 2: invalid syntax; nothing was uploaded"),
        ("import nowhere_to_be_found\n\n\nclass EchoBot: ...\n", "No module named 'nowhere_to_be_found'"),
    ],
)
def test_a_broken_plugin_is_refused_and_the_one_before_still_runs(mended: Vps, tmp_path: Path, content: str, told: str):
    broken = tmp_path / "broken"
    shutil.copytree(ECHO, broken)
    (broken / "echo.py").write_text(content)
    mended.is_set_to(2, broken)
    printed = " ".join(mended.stack.failed_up().split())
    assert told in printed
    mended.machine.run("systemctl restart maubot")  # a plugin that maubot could not load would end its next start
    assert answer(mended)


@pytest.mark.soak
def test_a_plugin_that_loads_and_does_not_start_is_an_error_and_the_right_one_has_its_instances_run_again(
    mended: Vps, tmp_path: Path
):
    broken = tmp_path / "broken"
    shutil.copytree(ECHO, broken)
    source = broken / "echo.py"
    source.write_text(source.read_text().replace('if self.config["broken"]:', "if True:"))
    mended.is_set_to(2, broken)
    printed = " ".join(mended.stack.failed_up().split())
    assert "the instance echo-a-1, and it did not start; maubot has disabled it" in printed
    assert "did not start" in mended.stack.failed_up()  # told again as long as it is so, though nothing has changed
    mended.is_set_to(2)
    mended.stack.up()
    assert answer(mended)


@pytest.mark.soak
def test_a_bot_of_an_odd_name_with_an_odd_password_is_registered_logged_in_again_and_answers(mended: Vps):
    lines = "".join(f"{bot}={BOT_PASSWORD}\n" for bot in TWO)
    mended.stack.secrets(bot_passwords=f'{lines}{ODD}=it\'s "p=ä" $(id) `id` \\n %s\n')
    wish = mended.wish(2)
    wish["bots"][ODD] = {}
    config = {"prefix": f"{ODD}: ", "limits": {"size": 5}}
    wish["instances"]["odd-1"] = {"plugin": "org.example.echo", "bot": ODD, "config": config}
    mended.stack.settings(wish)
    mended.stack.up()
    mended.rooms[ODD] = mended.homeserver.ask("room", bots=[f"@{ODD}:lab.test"])
    config["room_subscriptions"] = [mended.rooms[ODD]]
    mended.stack.settings(wish)
    mended.machine.run("rm /var/lib/maubot-accounts/odd*.json")  # its token
    mended.stack.up("--refresh")
    assert mended.says(ODD, patience=PATIENCE, every=3.0) is not None
    assert mended.stack.drifted() == {}


@pytest.mark.soak
def test_a_plugin_of_several_megabytes_is_taken_and_known(mended: Vps, tmp_path: Path):
    large = tmp_path / "large"
    shutil.copytree(ECHO, large)
    (large / "data.bin").write_bytes(bytes(range(250)) * (UPLOADED // 250))
    definition = large / "maubot.yaml"
    definition.write_text(definition.read_text().replace("extra_files: [", "extra_files: [data.bin, "))
    mended.is_set_to(2, large)
    mended.stack.up()
    assert mended.stack.drifted() == {}
    assert answer(mended)


def test_errors_and_critical_errors_of_maubots_log_are_told_in_the_admins_room(vps: Vps):
    vps.stack.look()
    assert vps.says("echo-b", "alarm in a bot", patience=PATIENCE) is not None
    vps.stack.api("PUT", "/instance/echo-b-1", {"config": "broken: true\n", "started": False})
    vps.stack.api("PUT", "/instance/echo-b-1", {"started": True})  # fails, and is logged as an error
    path = f"/_matrix/client/v3/rooms/{vps.rooms['admins']}/messages?dir=b&limit=50"

    def all_told() -> bool:
        vps.stack.look(check=False)
        found = vps.homeserver.ask("ask", method="GET", path=path, token=vps.homeserver.token)["chunk"]
        told = "\n".join(str(each["content"].get("body")) for each in found if each["sender"] == "@echo-a:lab.test")
        return all(each in told for each in ("there is an alarm: alarm in a bot", "[CRITICAL@", "[ERROR@"))

    # The journal has a line a moment after it was written.
    until(all_told, "the alarm, a critical error and an error are told", 60)
    vps.stack.api("PUT", "/instance/echo-b-1", {"config": "broken: false\n"})  # a key that the settings leave alone
    vps.stack.up("--refresh")
    assert answer(vps)


@pytest.mark.soak
def test_an_instance_that_goes_keeps_its_database_or_has_it_destroyed_whole_as_the_settings_say(mended: Vps):
    stack, there = mended.stack, "ls /var/lib/maubot/dbs"
    for data in ("keep", "remove"):
        assert answer(mended)
        before, wish = mended.heard("echo-b-1"), {**mended.wish(2), "data": data}
        stack.settings(wish)
        stack.up()
        fewer = {name: each for name, each in wish["instances"].items() if name != "echo-b-1"}
        stack.settings({**wish, "instances": fewer})
        stack.up()
        left = [name for name in mended.machine.run(there).stdout.split() if name.startswith("echo-b-1.db")]
        assert ("echo-b-1.db" in left) == (data == "keep"), left
        assert data == "keep" or left == []
        stack.settings(wish)
        stack.up()
        assert before > 0
        assert mended.heard("echo-b-1") == (before if data == "keep" else 0)


def test_a_full_disk_is_said_so_and_nothing_is_lost(mended: Vps):
    machine, home = mended.machine, "/var/lib/maubot"
    heard = mended.heard("echo-a-1")
    machine.run(
        f"systemctl stop maubot && mv {home} {home}.aside && mkdir {home} && mount -t tmpfs -o size=16m small {home}"
        f" && cp -a {home}.aside/. {home}/ && systemctl start maubot"
    )
    try:
        machine.run(f"head -c 17M /dev/zero >{home}/full", check=False)
        wish = mended.wish(2)
        wish["instances"]["echo-a-1"]["config"]["prefix"] = "changed: " + "x" * 100_000
        mended.stack.settings(wish)
        assert "whether its disk is full" in mended.stack.failed_up()
        machine.run(f"rm {home}/full")
        mended.is_set_to(2)
        mended.stack.up()
        assert answer(mended)
    finally:
        machine.run(
            f"systemctl stop maubot; rm -f {home}/full && rm -r {home}.aside/* && cp -a {home}/. {home}.aside/"
            f" && for n in 1 2 3 4 5 6 7 8 9; do umount {home} && break; sleep 1; done"
            f" && rmdir {home} && mv {home}.aside {home} && systemctl start maubot"
        )
    assert mended.heard("echo-a-1") > heard
    mended.stack.has_not_drifted()


@pytest.mark.soak  # a minute and a half; and what came with the backup outlives a destroy, see docs/systems/maubot.md
def test_a_dead_machine_that_is_replaced_gets_its_newest_backup_back(vps: Vps, machine: MachineFactory):
    """The homeserver's own data comes back by somebody else's hand: here by a copy of it."""
    assert answer(vps)
    before = vps.heard("echo-a-1")
    vps.machine.run("systemctl start maubot-backup.service && systemctl stop maubot matrix-continuwuity")
    kept = vps.machine.run("tar -cz -C / var/lib/synapse var/backups/maubot | base64 -w0").stdout
    new = machine("maubot-errors", image="machine-matrix")
    vps.moves_to(new)
    new.run("base64 -d | tar -xz -C / && mv /var/backups/maubot /var/backups/brought", stdin=kept)
    new.run(f"systemctl enable -q --now {Synapse.unit} nginx postgresql && mkdir -p {FIGURES}")
    vps.before = new.snapshot()
    wish = vps.wish(2)
    vps.stack.settings({**wish, "backup": {"restore-from": "/var/backups/brought"}})
    vps.stack.run_make("up", "--refresh")
    assert before > 0
    assert vps.heard("echo-a-1") == before
    assert answer(vps)
    assert [vps.device(bot) for bot in TWO] == ["MAUBOT"] * 2
    vps.stack.up("--expect-no-changes")
    assert vps.stack.drifted() == {}


def test_destroy_leaves_the_machine_as_it_was_and_the_homeservers_people_alone(vps: Vps):
    vps.stack.destroy()
    assert lasting_difference(vps.before, vps.machine, but_for=OTHERS) == []
    assert set(vps.users) <= set(vps.homeserver.users())
