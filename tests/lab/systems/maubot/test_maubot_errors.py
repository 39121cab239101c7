"""What goes wrong with maubot on a lab machine: each is said in words, and nothing is lost.

One machine and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import MachineFactory
from tests.lab.systems.maubot.stack import BOT_PASSWORD, BOTS, ECHO
from tests.lab.systems.maubot.story import Vps, made_ready

pytestmark = pytest.mark.timeout(900)
REPLY_SECONDS = 5.0
TWO = BOTS[:2]
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
def mended(vps: Vps) -> Iterator[Vps]:
    """Whatever a test breaks, maubot runs afterwards as its settings say."""
    yield vps
    vps.stack.secrets()
    vps.is_set_to(2)
    vps.stack.up("--refresh")


def answer(vps: Vps, patience: float = REPLY_SECONDS) -> bool:
    """Return whether both bots answer within so many seconds; asked again every three."""
    return all((vps.says(bot, patience=patience, every=3.0) or 99.0) < patience for bot in TWO)


def test_a_wrong_and_an_expired_registration_token_are_said_so_and_nothing_is_lost(mended: Vps):
    expired = mended.homeserver.ask("registration_token", expiry_time=int(time.time() * 1000) + 1500)
    passwords = "".join(f"{bot}={BOT_PASSWORD}\n" for bot in (*TWO, "d"))
    wish = mended.wish(2)
    mended.stack.settings({**wish, "bots": {**wish["bots"], "d": {}}})
    time.sleep(1.5)
    for token in ("wrong", expired):
        mended.stack.secrets(registration_token=token, bot_passwords=passwords)
        assert "registration token is not valid" in mended.stack.failed_up()
        assert "@d:lab.test" not in mended.homeserver.users()
    assert answer(mended)


def test_an_instance_that_does_not_start_and_a_key_that_nobody_knows_are_errors_that_name_them(mended: Vps):
    wish = mended.wish(2)
    wish["instances"]["echo-b-1"]["config"]["broken"] = True
    mended.stack.settings(wish)
    assert "the instance echo-b-1, and it did not start" in mended.stack.failed_up()
    wish = mended.wish(2)
    wish["instances"]["echo-b-1"]["config"] |= {"prefixx": 1, "broken": False}
    mended.stack.settings(wish)
    assert "does not know config.prefixx" in mended.stack.failed_up()
    assert (mended.says("echo-a") or 99.0) < REPLY_SECONDS
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
    assert answer(mended, patience=30.0)


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
