"""The kind Unit on machines as people have them: what takes effect, and what cannot be."""

from __future__ import annotations

import base64

import pytest

from providers.errors import InvalidInput
from providers.kinds.unit.facts import obstacles_of
from providers.kinds.unit.kind import KIND
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_systemd import SystemdMachine
from tests.unit.providers.kinds.unit_trial import PATH, TEXT, WISH, hurry, make, state

__all__ = ["hurry"]


# --- what takes effect ---


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "0666"},
        {"mode": "0664"},
        {"mode": "0646"},
        {"owner": "ann"},
        {"owner": "1005"},
    ],
)
async def test_a_unit_file_that_others_may_write_is_drift_and_is_made_ours_again(attributes: dict[str, str]):
    machine = SystemdMachine()
    await make(machine, WISH)
    await machine.set_attributes(PATH, **attributes)
    found = await KIND.observe(machine, WISH)
    assert "# Hearth: it" in KIND.differences(WISH, found)["text"][1]
    await KIND.apply(machine, WISH, found)
    assert (machine.files[PATH].mode, machine.files[PATH].owner) == ("0644", "root")
    assert machine.units["web.service"].starts == 1


@pytest.mark.parametrize(
    ("name", "stat", "shown", "word"),
    [
        ("web.service", ("0644", "root"), {"FragmentPath": PATH}, ""),
        ("web.service", ("0600", "root"), {"FragmentPath": PATH}, ""),
        ("web.service", ("0644", "root"), {"FragmentPath": "/etc/systemd/system.control/web.service"}, "manager uses"),
        ("web.service", ("0644", "root"), {"FragmentPath": "/x", "NeedDaemonReload": "yes"}, ""),
        ("web.service", ("0644", "root"), {"LoadState": "unasked"}, ""),
        ("web.container", ("0644", "root"), {"FragmentPath": "/run/g/web.service", "SourcePath": "/p"}, ""),
        ("web.container", ("0600", "root"), {"FragmentPath": "/run/g/web.service", "SourcePath": "/p"}, "may not read"),
        ("web.container", ("0644", "pod"), {"FragmentPath": "/run/g/web.service", "SourcePath": "/q"}, "made from /q"),
        ("web.container", ("0644", "pod"), {"FragmentPath": "/home/x.service"}, "its service is /home/x.service"),
        ("web.network", ("0644", "root"), {"FragmentPath": "/run/user/9/systemd/generator/web-network.service"}, ""),
        ("web.network", ("0644", "root"), {"FragmentPath": "/home/web-network.service"}, "its service is /home/web-n"),
        ("web.container", ("0644", "pod"), {"LoadState": "not-found"}, "made no service of it"),
    ],
)
def test_what_keeps_a_file_from_its_effect(name: str, stat: tuple[str, str], shown: dict[str, str], word: str):
    owner = "pod" if name.endswith("container") else "root"
    path = "/p" if name.endswith("container") else PATH
    found = Stat("file", stat[0], stat[1], stat[1], 1, b"x")
    said = obstacles_of(state(name, text="x"), path, found, {"LoadState": "loaded", **shown}, owner)
    assert (word in " ".join(said)) if word else said == []


async def test_a_package_of_the_same_name_does_not_keep_ours_from_being_written():
    machine = SystemdMachine()
    machine.bring("web.service", "[Service]\nExecStart=/vendor\n")
    machine.fragments["web.service"] = "/usr/lib/systemd/system/web.service"
    before = await KIND.observe(machine, WISH)
    await KIND.apply(machine, WISH, before)
    assert machine.files[PATH].content == TEXT.encode()


async def test_drop_ins_of_others_are_named_once_and_those_of_vendors_are_not():
    machine = SystemdMachine()
    machine.machine = "box-of-drop-ins"
    machine.drop_ins["web.service"] = f"{PATH}.d/10.conf /usr/lib/systemd/system/service.d/1.conf"
    await make(machine, WISH)
    await KIND.apply(machine, WISH, await KIND.observe(machine, WISH))
    told = [line for line in machine.messages if "also heeds" in line]
    assert len(told) == 1
    assert told[0].endswith("beside it: /etc/systemd/system/web.service.d/10.conf")


# --- restart_on beside files that the machine had ---


async def test_a_first_up_restarts_what_runs_with_older_files_than_it_has():
    machine = SystemdMachine()
    machine.add("web.service", TEXT, state="active", enabled=True)
    machine.fragments["web.service"] = PATH
    machine.older.add("web.service")
    await make(machine, state("web.service", running=True, restart_on=["drop-in"]))
    assert machine.units["web.service"].starts == 1
    await make(machine, state("web.service", running=True, restart_on=["drop-in"]))
    assert machine.units["web.service"].starts == 1


async def test_a_first_up_restarts_nothing_that_runs_with_its_files():
    machine = SystemdMachine()
    machine.add("web.service", TEXT, state="active")
    machine.fragments["web.service"] = PATH
    await make(machine, state("web.service", running=True, restart_on=["a"]))
    assert machine.units["web.service"].starts == 0


async def test_files_that_the_manager_has_not_read_are_read_and_the_unit_starts_with_them():
    machine = SystemdMachine()
    machine.add("web.service", TEXT, state="active")
    wish = state("web.service", running=True, restart_on=["a"])
    await make(machine, wish)
    machine.put(PATH, f"# by hand\n{TEXT}")
    found = await KIND.observe(machine, wish)
    assert "has not read its files" in KIND.differences(wish, found)["restart_on"][1][1]
    await KIND.apply(machine, wish, found)
    assert (machine.units["web.service"].starts, machine.reloads) == (1, 1)
    assert KIND.differences(wish, await KIND.observe(machine, wish)) == {}


# --- what can't be enabled ---


@pytest.mark.parametrize(
    ("file_state", "source", "why"),
    [
        ("static", "", "has no .Install. section"),
        ("generated", "/etc/fstab", "is made from /etc/fstab"),
        ("transient", "", "is made from a call to systemd"),
        ("bad", "", "can't be read by systemd"),
    ],
)
async def test_what_enable_can_do_nothing_for_is_refused_with_the_reason(file_state: str, source: str, why: str):
    machine = SystemdMachine()
    machine.bring("x.service", "[Service]\n")
    answer = f"LoadState=loaded\nUnitFileState={file_state}\nActiveState=inactive\nSourcePath={source}\n"
    machine.on("systemctl show", answer)
    with pytest.raises(InvalidInput, match=why):
        await make(machine, state("x.service", enabled=True))
    assert not [line for line in machine.lines() if " enable" in line]
    await make(machine, state("x.service", enabled=False))


@pytest.mark.parametrize(
    ("file_state", "source", "links", "enabled"),
    [
        ("generated", "/etc/init.d/x", {"/etc/rc3.d/S01x": "../init.d/x", "/etc/rc6.d/K01x": "../init.d/x"}, True),
        ("generated", "/etc/init.d/x", {"/etc/rc3.d/K01x": "../init.d/x"}, False),
        ("indirect", "", {"/etc/systemd/system/sockets.target.wants/y.socket": "/y"}, True),
        ("indirect", "", {}, False),
        ("linked", "", {"/etc/systemd/system/x.service": "/opt/x.service"}, False),
        ("enabled-runtime", "", {}, True),
    ],
)
async def test_whether_it_is_enabled_is_told_by_what_starts_it(
    file_state: str, source: str, links: dict[str, str], enabled: bool
):
    machine = SystemdMachine()
    shown = f"LoadState=loaded\nUnitFileState={file_state}\nActiveState=inactive\nSourcePath={source}\n"
    text = "".join(f"l\t{path}\t{target}\n" for path, target in links.items())
    said = base64.b64encode(text.encode()).decode()
    machine.on("systemctl show", shown).on("sh", said)
    assert (await KIND.observe(machine, state("x.service", enabled=True))).enabled is enabled


async def test_a_unit_named_by_an_alias_is_enabled_by_its_own_name():
    machine = SystemdMachine()
    machine.bring("web.service", TEXT)
    machine.bring("www.service", TEXT)
    machine.ids["www.service"] = "web.service"
    wish = state("www.service", enabled=True)
    await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert machine.lines()[-2] == "systemctl --no-reload enable web.service"
    machine.want("www.service")
    wish = state("www.service", enabled=False)
    with pytest.raises(InvalidInput, match=r"is an alias of web\.service") as error:
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert "name the unit web.service" in str(error.value)
