"""The kind User on accounts that people have: what is not asked for stays."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from providers.errors import InvalidInput, NotConverged
from providers.kinds.user.databases import members, with_list, with_members
from providers.kinds.user.facts import UserInputs
from providers.kinds.user.home import SHARED
from providers.kinds.user.kind import KIND, groups_to_put_back
from providers.kinds.user.shadow import Shadow, never, with_line
from providers.machine.session import FileType, Stat
from tests.unit.providers.kinds.memory_accounts import Machine, create, machine_with, wish


@pytest.mark.parametrize("home", ["/", "/var/www", "/srv/shared", "/home/ann"])
async def test_groups_alone_change_nothing_else(home: str):
    machine = machine_with(home, owner="root")
    files = dict(machine.files)
    await create(machine, wish(groups=["adm"]))
    assert machine.files == files
    assert (machine.accounts["ann"].shell, machine.accounts["ann"].groups) == ("/bin/bash", ("adm",))


@pytest.mark.parametrize("home", sorted(SHARED))
async def test_a_home_that_is_the_machines_gets_no_mode_even_where_one_is_asked_for(home: str):
    machine = machine_with(home)
    with pytest.raises(InvalidInput, match="is the machine's own, and not the account's"):
        await create(machine, wish(home_mode="0700"))
    with pytest.raises(InvalidInput, match="is the machine's own"):
        await create(machine, wish(home=home, home_owner="ann"))
    assert machine.files[home].mode == "0755"


@pytest.mark.parametrize("told", ["/var/www/", "//var/www", "/var/./www", "/var//www/"])
async def test_a_home_is_known_in_whatever_form_the_machine_has_it(told: str):
    machine = machine_with("/var/www")
    machine.accounts["ann"] = replace(machine.accounts["ann"], home=told)
    files = dict(machine.files)
    machine.put("/etc/passwd", machine.text("/etc/passwd") + f"bob:x:1001:1001::{told}:/bin/sh\n")
    with pytest.raises(InvalidInput, match="is the machine's own"):
        await create(machine, wish(home_mode="0700"))
    wished = wish(home="/var/www")
    before = await KIND.observe(machine, wished)
    assert KIND.differences(wished, before) == {}
    await KIND.apply(machine, wished, before)
    await KIND.restore(machine, wished, before)
    assert machine.accounts["ann"].home == told
    assert {path: machine.files[path] for path in files if path != "/etc/passwd"} == {
        path: stat for path, stat in files.items() if path != "/etc/passwd"
    }


async def test_a_home_of_two_accounts_or_of_another_owner_gets_no_mode():
    machine = machine_with("/srv/both")
    machine.put("/etc/passwd", machine.text("/etc/passwd") + "bob:x:1001:1001::/srv/both:/bin/sh\n")
    with pytest.raises(InvalidInput, match="is the home of bob too"):
        await create(machine, wish(home_mode="0700"))
    machine = machine_with("/srv/site", owner="deploy")
    with pytest.raises(InvalidInput, match="belongs to deploy"):
        await create(machine, wish(home_mode="0700"))
    await create(machine, wish(home_mode="0700", home_owner="ann"))
    assert (machine.files["/srv/site"].mode, machine.files["/srv/site"].owner) == ("0700", "ann")


@pytest.mark.parametrize(
    ("subuid", "subgid"),
    [
        ("ann:100000:65536\nann:300000:1000\n", "ann:100000:65536\nann:300000:1000\n"),
        ("ann:100000:65536\n", "ann:200000:65536\n"),
        ("1000:100000:65536\n", "ann:100000:65536\n"),
        ("ann:100000:10\n", "ann:100000:10\n"),
    ],
)
async def test_ranges_that_an_account_has_are_enough_whatever_their_form(subuid: str, subgid: str):
    machine = machine_with()
    machine.put("/etc/subuid", subuid)
    machine.put("/etc/subgid", subgid)
    await create(machine, wish(subordinate_ids="auto"))
    assert (machine.text("/etc/subuid"), machine.text("/etc/subgid")) == (subuid, subgid)


async def test_ranges_of_users_alone_get_the_same_of_groups_beside_them():
    machine = machine_with()
    machine.put("/etc/subuid", "ann:300000:65536\n")
    machine.put("/etc/subgid", "bob:100000:65536\n")
    await create(machine, wish(subordinate_ids="auto"))
    assert machine.text("/etc/subuid") == "ann:300000:65536\n"
    assert machine.text("/etc/subgid") == "bob:100000:65536\nann:300000:65536\n"


async def test_anothers_range_over_ours_is_drift_that_says_whose_it_is_and_moves_nobody():
    machine = machine_with()
    asked = wish(subordinate_ids="auto")
    await create(machine, asked)
    taken = machine.text("/etc/subuid") + "eve:131072:65536\n"
    machine.put("/etc/subuid", taken)
    found = await KIND.observe(machine, asked)
    assert "eve has a part of" in KIND.differences(asked, found)["subordinate_ids"][1]
    with pytest.raises(InvalidInput, match="overlap those of 'eve'"):
        await KIND.apply(machine, asked, found)
    assert machine.text("/etc/subuid") == taken


async def test_a_helper_without_its_setuid_bit_is_drift_and_gets_it_back():
    machine = machine_with()
    asked = wish(subordinate_ids="auto")
    await create(machine, asked)
    machine.put("/usr/bin/newuidmap", mode="0755")
    machine.useless = "/usr/bin/newuidmap\n"
    found = await KIND.observe(machine, asked)
    assert "newuidmap may not give out" in KIND.differences(asked, found)["subordinate_ids"][1]
    await KIND.apply(machine, asked, found)
    assert machine.files["/usr/bin/newuidmap"].mode == "4755"


async def test_a_helper_that_others_may_write_gets_no_setuid_bit():
    machine = machine_with()
    machine.put("/usr/bin/newgidmap", mode="0777")
    machine.useless = "/usr/bin/newgidmap\n"
    with pytest.raises(NotConverged, match="not root's alone"):
        await create(machine, wish(subordinate_ids="auto"))
    assert machine.files["/usr/bin/newgidmap"].mode == "0777"


# --- groups ---


async def test_more_groups_leave_the_others_and_destroy_takes_out_only_what_came():
    machine = machine_with(groups=("video",))
    asked = wish(more_groups=["adm", "video"])
    before = await create(machine, asked)
    assert machine.accounts["ann"].groups == ("video", "adm", "video")
    now = await KIND.observe(machine, asked)
    assert groups_to_put_back(asked, now, before) == ["--groups", "video"]


def test_the_two_lists_of_groups_do_not_stand_side_by_side():
    with pytest.raises(ValidationError, match="can't stand beside groups"):
        wish(groups=[], more_groups=["adm"])
    assert wish(groups=[]).groups == []


async def test_an_empty_list_of_groups_is_a_wish_for_none():
    machine = machine_with(groups=("shadow", "sudo"))
    found = await KIND.observe(machine, wish(groups=[]))
    assert KIND.differences(wish(groups=[]), found) == {"groups": ([], ["shadow", "sudo"])}


GROUPS = "adm:x:4:syslog,ann,bob\nvideo:x:44:\nusers:x:100:ann,gone,ann\nbare:x:9:zoe"


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ("adm:x:4:syslog,bob,ann\nvideo:x:44:\n", "adm:x:4:syslog,ann,bob\nvideo:x:44:\n"),
        ("adm:x:4:syslog,bob\n", "adm:x:4:syslog,ann,bob\n"),
        ("adm:x:4:new,bob,ann\n", "adm:x:4:new,ann,bob\n"),
        ("adm:x:4:syslog,new,ann\n", "adm:x:4:syslog,new,ann\n"),
        ("users:x:100:gone,ann\n", "users:x:100:ann,gone,ann\n"),
        ("video:x:44:ann,eve\n", "video:x:44:eve\n"),
        ("bare:x:9:zoe", "bare:x:9:zoe"),
        ("+::::\nnot a group\n", "+::::\nnot a group\n"),
    ],
)
def test_members_come_back_in_their_order_and_those_who_came_since_stay(now: str, after: str):
    assert with_members(now, "ann", members(GROUPS, "ann")) == after


@pytest.mark.parametrize("order", [("ann", "bob"), ("bob", "ann")])
def test_accounts_that_are_given_back_in_any_order_leave_each_others_places(order: tuple[str, str]):
    text = "adm:x:4:syslog,bob\n"
    # bob was looked at after ann had been taken out.
    was = {"ann": members("adm:x:4:syslog,ann,bob\n", "ann"), "bob": members(text, "bob")}
    for name in order:
        text = with_members(text, name, was[name])
    assert text == "adm:x:4:syslog,ann,bob\n"


def test_a_list_of_members_takes_those_without_an_account_too():
    assert with_list("a:x:1:\nb:x:2:z\n", "a", ["gone", "ann"]) == "a:x:1:gone,ann\nb:x:2:z\n"


# --- password and expiry ---


@pytest.mark.parametrize(
    ("line", "password", "expires"),
    [
        ("", "none", "never"),
        ("ann:!:20000::::::", "none", "never"),
        ("ann:*:20000:0:99999:7:::", "none", "never"),
        ("ann:!$y$x:20000:0:99999:7:::", "none", "never"),
        ("ann:$y$x:20000:0:99999:7:::", "one is set", "never"),
        ("ann::20000::::::", "none is asked for", "never"),
        ("ann:!:0::::::", "none", "the password at once"),
        ("ann:!:20000:0:90:7:::", "none", "the password every 90 days"),
        ("ann:!:20000::::7:1:", "none", "the account on 1970-01-02"),
        ("ann:!:20000:::::999999999:", "none", "the account on day 999999999"),
        ("ann", "none is asked for", "never"),
    ],
)
def test_what_a_line_of_shadow_says(line: str, password: str, expires: str):
    assert (Shadow.of(line).password, Shadow.of(line).expires) == (password, expires)
    assert bool(never(line)) is (expires != "never")


def test_the_halves_of_a_line_of_shadow_go_back_one_by_one():
    text, old = "root:*:1::::::\nann:new:2::::::\n", "ann:old:1:0:90:7:::"
    assert with_line(text, old, (True, False)) == "root:*:1::::::\nann:old:2::::::\n"
    assert with_line(text, old, (False, True)) == "root:*:1::::::\nann:new:1:0:90:7:::\n"
    assert with_line("root:*:1::::::\n", old, (True, True)) == "root:*:1::::::\n"


async def test_what_somebody_put_into_a_service_account_is_named():
    machine = machine_with(groups=("shadow", "sudo"))
    machine.shadow("ann", secret="$y$hash", expire="1")
    asked = wish(groups=[], password="none", expires="never")
    assert KIND.differences(asked, await KIND.observe(machine, asked)).keys() == {"groups", "password", "expires"}


async def test_the_hash_of_a_password_is_no_output():
    machine = machine_with()
    machine.shadow("ann", secret="$y$secret-hash")
    facts = await KIND.observe(machine, wish(password="none"))
    shown = {name: getattr(facts, name) for name in (*KIND.outputs, *UserInputs.model_fields) if hasattr(facts, name)}
    assert "secret-hash" not in json.dumps(shown)


@pytest.mark.parametrize("there", [True, False])
async def test_the_home_of_who_has_none_is_made_by_nobody(there: bool):
    machine = machine_with() if there else Machine()
    accounts, files = dict(machine.accounts), dict(machine.files)
    asked = wish(home="/nonexistent")
    before = await create(machine, asked)
    assert machine.accounts["ann"].home == "/nonexistent"
    assert "/nonexistent" not in machine.files
    await KIND.restore(machine, asked, before)
    assert (machine.accounts, machine.files) == (accounts, files)


@pytest.mark.parametrize(
    ("what", "inputs", "words"),
    [
        ("file", {"home": "/srv/place"}, "is a file"),
        ("other", {"home": "/srv/place"}, "is a pipe, socket or device"),
        ("symlink", {"home": "/srv/place", "home_mode": "0700", "home_owner": "ann"}, "is a link"),
    ],
)
async def test_a_home_that_is_no_folder_is_refused_before_anything_is_done(
    what: FileType, inputs: dict[str, str], words: str
):
    for machine in (machine_with(), Machine()):
        machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
        machine.files["/srv/place"] = Stat(what, "0777", "root", "root", 0)
        accounts, files = dict(machine.accounts), dict(machine.files)
        with pytest.raises(InvalidInput, match=words):
            await create(machine, wish(**inputs))
        assert (machine.accounts, machine.files) == (accounts, files)


async def test_a_home_behind_a_link_gets_no_mode_where_none_is_asked_for():
    machine = Machine()
    machine.files["/srv"] = Stat("directory", "0755", "root", "root", 0)
    machine.files["/srv/place"] = Stat("symlink", "0777", "root", "root", 0)
    await create(machine, wish(home="/srv/place"))
    assert machine.files["/srv/place"] == Stat("symlink", "0777", "root", "root", 0)
