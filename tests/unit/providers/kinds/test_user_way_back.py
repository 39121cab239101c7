"""The kind User on accounts that people have: our own way in, and homes on the way back."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import InvalidInput, OperationRefused
from providers.kinds.user.facts import UserFacts, UserInputs
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


async def moved(machine: Machine, *homes: str, **inputs: Any) -> tuple[UserInputs, UserFacts]:
    """Take the account ann from home to home; return the last wish, and what the record holds."""
    before: UserFacts | None = None
    for home in homes:
        asked = wish(home=home, **inputs)
        before = await create(machine, asked, before)
    assert before is not None
    return KIND.with_defaults(asked, KIND.made(before)), before


@pytest.mark.parametrize("remove", [True, False])
@pytest.mark.parametrize("homes", [["one", "two"], ["one", "two", "one"], ["one", "one/two", "three"]])
async def test_every_home_that_hearth_made_is_treated_alike_by_destroy(homes: list[str], remove: bool):
    machine = Machine()
    places = [f"/var/lib/{home}" for home in homes]
    asked, before = await moved(machine, *places, remove_home=remove)
    machine.messages.clear()
    await KIND.restore(machine, asked, before)
    await KIND.restore(machine, asked, before)
    assert [place for place in places if (place in machine.files) == remove] == []
    said = [place for place in places if any(f"rm -r {place}`" in line for line in machine.messages)]
    assert said == ([] if remove else places)


async def test_a_home_that_was_there_is_as_it_was_after_the_account_has_moved_on():
    machine = Machine()
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    machine.files["/srv/site"] = Stat("directory", "0751", "deploy", "www-data", 0)
    machine.put("/srv/site/page", "theirs")
    files = dict(machine.files)
    asked, before = await moved(
        machine, "/srv/new", "/srv/site", "/srv/last", remove_home=True, home_mode="0700", home_owner="ann"
    )
    assert machine.files["/srv/site"].owner == "ann"
    await KIND.restore(machine, asked, before)
    assert machine.files == files


async def test_a_default_is_no_wish_for_a_folder_that_a_home_moves_to():
    machine = Machine()
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    machine.files["/srv/site"] = Stat("directory", "0751", "deploy", "www-data", 0)
    _, before = await moved(machine, "/srv/new", "/srv/site")
    assert machine.files["/srv/site"] == Stat("directory", "0751", "deploy", "www-data", 0)
    assert KIND.made(before) == ("shell",)


async def test_an_account_that_was_there_leaves_no_empty_home_of_hearths_behind():
    machine = machine_with()
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    files = dict(machine.files)
    asked, before = await moved(machine, "/srv/one", "/srv/two", "/srv/three")
    machine.put("/srv/two/letter", "dear")
    await KIND.restore(machine, asked, before)
    assert {path for path in machine.files if path not in files} == {"/srv/two", "/srv/two/letter"}
    assert any("/srv/two on box, the home that ann had, stays" in line for line in machine.messages)


async def test_an_earlier_home_that_is_somebody_elses_by_now_stays():
    machine = Machine()
    asked, before = await moved(machine, "/var/lib/bob", "/var/lib/deploy", "/var/lib/ann", remove_home=True)
    machine.put("/etc/passwd", "bob:x:1001:1001::/var/lib/bob/home:/bin/sh\n")
    machine.own("/var/lib/deploy", owner="deploy")
    await KIND.restore(machine, asked, before)
    assert "/var/lib/bob" in machine.files
    assert "/var/lib/deploy" in machine.files
    assert "/var/lib/ann" not in machine.files
    assert any("stays on box: it is, or holds, the home of bob" in line for line in machine.messages)
    assert any("stays on box: it belongs to deploy now" in line for line in machine.messages)


async def test_a_home_in_which_something_can_not_be_removed_does_not_keep_destroy_from_its_end():
    class Mounted(Machine):
        async def remove(self, path: str, *, recursive: bool = False) -> None:
            if path == "/var/lib/ann":
                raise OperationRefused("'/var/lib/ann/share' is a mount point: what is mounted there is not removed")
            await super().remove(path, recursive=recursive)

    machine = Mounted()
    asked, before = await moved(machine, "/var/lib/ann", remove_home=True)
    await KIND.restore(machine, asked, before)
    assert "ann" not in machine.accounts
    assert any("stays on box: '/var/lib/ann/share' is a mount point" in line for line in machine.messages)


async def test_a_record_of_an_earlier_hearth_knows_the_home_that_it_was_of():
    machine = Machine()
    asked, before = await moved(machine, "/var/lib/ann", remove_home=True)
    earlier = UserFacts.model_validate({**before.model_dump(), "homes": {}})
    await KIND.restore(machine, asked, earlier)
    assert "/var/lib/ann" not in machine.files


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
