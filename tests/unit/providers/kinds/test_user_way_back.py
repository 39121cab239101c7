"""The kind User on accounts that people have: our own way in, and homes on the way back."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import InvalidInput
from providers.kinds.user.facts import UserFacts
from providers.kinds.user.kind import KIND
from providers.machine.session import Completed, Stat
from tests.unit.providers.kinds.memory_accounts import Machine, create, machine_with, wish

# --- our own way in ---


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"shell": "/usr/sbin/nologin"}, "runs no command"),
        ({"home": "/srv/ann"}, "whose keys are in"),
        ({"home_mode": "0775"}, "takes no keys from a home of mode 0775"),
        ({"groups": []}, "may not become root any more without sudo"),
    ],
)
async def test_what_would_close_our_own_way_in_is_refused_unless_it_is_allowed(inputs: dict[str, Any], why: str):
    machine = machine_with(groups=("sudo",))
    machine.login = "ann"
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    machine.put("/home/ann/.ssh/authorized_keys", "ssh-ed25519 AAAA ann")
    machine.put("/etc/group", "sudo:x:27:ann\n")
    machine.on("/usr/sbin/nologin -c", Completed(1, "This account is currently not available.", ""))
    machine.rooted = False
    before = machine.accounts["ann"]
    with pytest.raises(InvalidInput, match="would close our own way in") as error:
        await create(machine, wish(**inputs))
    assert why in str(error.value)
    assert "allow_lockout" in str(error.value)
    assert machine.accounts["ann"] == before
    await create(machine, wish(**inputs, allow_lockout=True))


async def test_another_account_may_lose_what_it_has():
    machine = machine_with(groups=("sudo",))
    await create(machine, wish(groups=[], shell="/usr/sbin/nologin"))
    assert machine.accounts["ann"].shell == "/usr/sbin/nologin"


async def test_destroy_leaves_the_account_that_we_log_in_as_and_says_so():
    machine = Machine()
    asked = wish(home="/var/lib/ann", shell="/bin/bash")
    before = await create(machine, asked)
    machine.login = "ann"
    await KIND.restore(machine, asked, before)
    assert "ann" in machine.accounts
    assert any("stays as it is" in line and "Hearth logs in as it" in line for line in machine.messages)
    await KIND.restore(machine, asked.model_copy(update={"allow_lockout": True}), before)
    assert machine.accounts == {}


# --- homes on the way back ---


async def test_a_home_moved_to_a_folder_that_was_there_gives_it_back_with_its_mode_and_owner():
    machine = machine_with()
    machine.files["/srv/data"] = Stat("directory", "0751", "deploy", "www-data", 0)
    files = dict(machine.files)
    asked = wish(home="/srv/data", home_mode="0700", home_owner="ann")
    before = await create(machine, asked)
    assert machine.files["/srv/data"].owner == "ann"
    await KIND.restore(machine, asked, before)
    assert machine.files == files
    assert machine.accounts["ann"].home == "/home/ann"


async def test_the_earlier_home_stays_with_all_in_it_and_up_says_so():
    machine = machine_with()
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    await create(machine, wish(home="/srv/ann", home_mode="0700"))
    assert "/home/ann" in machine.files
    assert any(
        "the earlier home /home/ann of ann stays" in line and "rm -r /home/ann" in line for line in machine.messages
    )


async def test_the_home_of_a_login_user_that_was_there_before_is_not_removed_with_the_account():
    machine = Machine()
    machine.files["/home/ann"] = Stat("directory", "0755", "root", "root", 0)
    machine.put("/home/ann/letter", "dear")
    asked = wish(system=False, remove_home=True)
    await KIND.restore(machine, asked, await create(machine, asked))
    assert "/home/ann/letter" in machine.files


async def test_a_home_that_is_gone_does_not_keep_destroy_from_its_end():
    machine = machine_with()
    asked = wish(home_mode="0700")
    before = await create(machine, asked)
    del machine.files["/home/ann"]
    await KIND.restore(machine, asked, before)
    assert any("is gone, so its mode and owner were not put back" in line for line in machine.messages)


def test_defaults_are_of_what_is_made():
    assert KIND.made(UserFacts(present=True)) == ()
    assert KIND.made(UserFacts(present=False)) == ("shell",)
    assert KIND.made(UserFacts(present=False, home_made=True)) == ("shell", "home_mode", "home_owner")
    assert KIND.made(UserFacts(present=True, home_made=True)) == ("home_mode", "home_owner")
