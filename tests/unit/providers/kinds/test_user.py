"""The kind User against a machine in memory that keeps accounts."""

import pytest
from pydantic import ValidationError

from providers.errors import CommandFailed, InvalidInput
from providers.kinds.user import removal
from providers.kinds.user.facts import LINGER, UserFacts, UserInputs, differs
from providers.kinds.user.kind import KIND, creation
from providers.machine.session import Account, Completed, Stat
from tests.unit.providers.kinds.fake_session import Call
from tests.unit.providers.kinds.memory_accounts import WISH, Machine, create


async def test_an_account_is_made_with_all_that_it_needs_and_goes_without_a_trace():
    machine = Machine()
    files = dict(machine.files)
    before = await create(machine)
    assert machine.text("/etc/subuid") == machine.text("/etc/subgid") == "ann:100000:65536\npod:165536:65536\n"
    assert (machine.files["/var/lib/pod"].mode, machine.files["/var/lib/pod"].owner) == ("0700", "pod")
    facts = await KIND.observe(machine, WISH)
    assert (facts.uid, facts.gid, facts.subordinate_start, facts.subordinate_count) == (990, 990, 165536, 65536)
    await KIND.restore(machine, WISH, before)
    assert machine.files == files
    assert machine.accounts == {}


async def test_the_home_of_a_removed_account_stays_where_its_removal_is_not_asked_for():
    machine = Machine()
    wish = WISH.model_copy(update={"remove_home": False})
    await KIND.restore(machine, wish, await create(machine, wish))
    assert "/var/lib/pod/.profile" in machine.files
    assert any("the home /var/lib/pod of pod stays" in line for line in machine.messages)


async def test_a_home_that_was_there_before_the_account_stays_with_its_owner():
    machine = Machine()
    machine.files["/var/lib/pod"] = Stat("directory", "0755", "root", "root", 0)
    files = dict(machine.files)
    await KIND.restore(machine, WISH, await create(machine))
    assert machine.files == files


async def test_an_account_that_was_there_gets_back_what_was_changed():
    machine = Machine()
    old = Account("pod", 990, 990, "pod", ("video",), "/srv/pod", "/bin/bash", "Pod")
    machine.accounts["pod"] = old
    machine.files["/srv/pod"] = Stat("directory", "0755", "pod", "pod", 0)
    machine.put("/etc/subuid", "pod:900000:10\n# end\n")
    files = dict(machine.files)
    await KIND.restore(machine, WISH, await create(machine))
    assert machine.accounts["pod"] == old
    assert machine.files == files
    # Linger starts or ends the account's manager a moment later: it comes after the home.
    assert machine.lines().index("usermod --home /srv/pod pod") < machine.lines().index("loginctl disable-linger pod")


@pytest.mark.parametrize(
    ("drift", "named"),
    [
        (lambda m: m._usermod(Call(("usermod", "--shell", "/bin/sh", "pod"))), "shell"),
        (lambda m: m._usermod(Call(("usermod", "--home", "/srv", "pod"))), "home"),
        (lambda m: m._usermod(Call(("usermod", "--groups", "adm,video", "pod"))), "groups"),
        (lambda m: m._usermod(Call(("usermod", "--groups", "", "pod"))), "groups"),
        (lambda m: m.put("/etc/subuid", "ann:100000:65536\n"), "subordinate_ids"),
        (lambda m: m.put("/etc/subgid", "ann:100000:65536\n"), "subordinate_ids"),
        (lambda m: m.files.pop(f"{LINGER}/pod"), "linger"),
        (lambda m: m.files.pop("/var/lib/pod"), "home"),
        (lambda m: m.own("/var/lib/pod", mode="0777"), "home_mode"),
        (lambda m: m.own("/var/lib/pod", owner="ann", group="ann"), "home_owner"),
        (lambda m: m.own("/var/lib/pod", group="adm"), "home_owner"),
        (lambda m: m.shadow("pod", secret="$y$hash"), "password"),
        (lambda m: m.shadow("pod", secret=""), "password"),
        (lambda m: m.shadow("pod", expire="100"), "expires"),
    ],
)
async def test_a_drift_is_named_and_repaired(drift, named: str):  # type: ignore[no-untyped-def]
    machine = Machine()
    wish = WISH.model_copy(update={"password": "none", "expires": "never"})
    wish = KIND.with_defaults(wish, KIND.made(await create(machine, wish)))
    drift(machine)
    found = await KIND.observe(machine, wish)
    assert named in KIND.differences(wish, found)
    await KIND.apply(machine, wish, found)
    assert KIND.differences(wish, await KIND.observe(machine, wish)) == {}


async def test_an_overlapping_range_is_refused_with_its_owner_and_nothing_is_touched():
    machine = Machine()
    wish = WISH.model_copy(update={"subordinate_ids": "100000:65536"})
    with pytest.raises(InvalidInput, match=r"overlap those of 'ann' \(100000:65536 in /etc/subuid\)") as error:
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert "165536:65536, which is free" in str(error.value)
    assert machine.accounts == {}
    assert all(line.startswith("getent") or line == "sh" for line in machine.lines()), "only looked"


async def test_an_explicit_range_that_is_free_is_honoured():
    machine = Machine()
    await create(machine, WISH.model_copy(update={"subordinate_ids": "700000:65536"}))
    assert machine.text("/etc/subgid").endswith("pod:700000:65536\n")


async def test_a_range_that_the_account_has_is_kept():
    machine = Machine()
    machine.put("/etc/subuid", "pod:300000:65536\n")
    machine.put("/etc/subgid", "pod:300000:65536\n")
    await create(machine)
    assert machine.text("/etc/subuid") == "pod:300000:65536\n"


async def test_a_missing_group_is_refused_by_name():
    machine = Machine()
    wish = WISH.model_copy(update={"groups": ["adm", "wheel"]})
    with pytest.raises(InvalidInput, match="no group wheel on box"):
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert machine.accounts == {}


async def test_a_home_in_a_folder_that_is_missing_is_refused():
    machine = Machine()
    wish = WISH.model_copy(update={"home": "/srv/data/pod"})
    with pytest.raises(InvalidInput, match="lies in /srv/data, which box does not have"):
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))


async def test_linger_that_can_not_be_switched_on_says_what_it_needs():
    machine = Machine()
    machine.on("loginctl", Completed(127, "", "loginctl: No such file or directory"))
    with pytest.raises(CommandFailed, match="linger of pod on box could not be switched on"):
        await KIND.apply(machine, WISH, await KIND.observe(machine, WISH))


async def test_a_home_that_can_not_be_changed_starts_the_manager_again():
    machine = Machine()
    await create(machine)
    machine.on("systemctl is-active", "active\n").on("usermod --home", Completed(8, "", "usermod: used by process 7"))
    wish = WISH.model_copy(update={"home": "/var/lib/other"})
    with pytest.raises(CommandFailed, match="could not be changed to /var/lib/other"):
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert machine.lines()[-1] == "systemctl --no-block start user@990.service"


@pytest.mark.parametrize(
    ("state", "stops", "starts"),
    [
        ("active", True, True),
        ("activating", True, True),
        ("deactivating", True, False),
        ("inactive", False, False),
        ("failed", False, False),
    ],
)
async def test_a_home_is_changed_while_the_accounts_manager_does_not_run(state: str, stops: bool, starts: bool):
    machine = Machine()
    await create(machine)
    machine.on("systemctl is-active", Completed(0 if state == "active" else 3, f"{state}\n", ""))
    wish = WISH.model_copy(update={"home": "/var/lib/other"})
    await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    lines = [line for line in machine.lines() if line.startswith(("systemctl", "usermod")) and "is-active" not in line]
    stop, start = ["systemctl stop user@990.service"], ["systemctl --no-block start user@990.service"]
    assert lines == [*stop * stops, "usermod --home /var/lib/other pod", *start * starts]


async def test_processes_that_do_not_end_keep_the_account(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(removal, "PATIENCE", 0.1)
    machine = Machine()
    before = await create(machine)
    machine.busy = "812\n"
    with pytest.raises(RuntimeError, match="processes of pod on box do not end: 812"):
        await KIND.restore(machine, WISH, before)
    assert "pod" in machine.accounts


async def test_an_account_is_imported_with_what_it_is():
    machine = Machine()
    await create(machine)
    assert KIND.parse is not None
    facts = await KIND.observe(machine, UserInputs(host="box", **KIND.parse("pod")))
    assert (facts.home, facts.home_mode, facts.groups, facts.linger) == ("/var/lib/pod", "0700", ["adm"], True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "--system --user-group --groups adm --create-home --home-dir /var/lib/pod"),
        ({"home": None, "groups": None}, "--system --user-group --no-create-home --home-dir /nonexistent"),
        ({"home": None, "groups": [], "system": False}, "--user-group --create-home --home-dir /home/pod"),
        (
            {"groups": None, "more_groups": ["adm"]},
            "--system --user-group --groups adm --create-home --home-dir /var/lib/pod",
        ),
    ],
)
def test_the_command_that_makes_an_account_follows_the_wish(changes: dict[str, object], words: str):
    line = " ".join(creation(WISH.model_copy(update=changes), UserFacts(present=False)))
    assert line == f"useradd --shell /usr/sbin/nologin {words} -K UMASK=077 pod"


def test_a_home_that_was_kept_gets_an_account_of_the_number_that_owns_its_files():
    kept = UserFacts(present=False, home_exists=True, home_owner="899")
    assert "--uid 899" in " ".join(creation(WISH, kept))
    foreign = UserFacts(present=False, home_exists=True, home_owner="root")
    assert "--uid" not in creation(WISH, foreign)


def test_a_group_of_the_same_name_is_used():
    assert "--gid pod" in " ".join(creation(WISH, UserFacts(present=False, group_line="pod:x:77:")))


@pytest.mark.parametrize(
    ("name", "wish", "found", "answer"),
    [
        ("groups", ["a", "b"], ["b", "a"], False),
        ("groups", ["a"], ["a", "b"], True),
        ("subordinate_ids", "auto", "5:6", False),
        ("subordinate_ids", "auto", "", True),
        ("subordinate_ids", "auto", "users 5:6, groups none", True),
        ("subordinate_ids", "auto", "5:6 20:6", False),
        ("subordinate_ids", "auto", "users 5:6, groups 7:8 9:1", False),
        ("subordinate_ids", "auto", "5:6, which ann has a part of (5:1 in /etc/subuid)", True),
        ("subordinate_ids", "20:6", "5:6 20:6", False),
        ("more_groups", ["a"], ["b", "a"], False),
        ("more_groups", ["a", "c"], ["b", "a"], True),
        ("subordinate_ids", "5:6", "5:7", True),
        ("system", True, False, False),
    ],
)
def test_what_counts_as_a_difference(name: str, wish: object, found: object, answer: bool):
    assert differs(name, wish, found) is answer


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "-x", "must be a user name"),
        ("subordinate_ids", "100000", "START:COUNT"),
        ("home", "var/lib", "absolute path"),
        ("home_mode", "rwx", "octal mode"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        UserInputs.model_validate({**WISH.model_dump(), field: value})
