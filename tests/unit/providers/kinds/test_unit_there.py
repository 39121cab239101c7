"""The kind Unit on machines as people have them: what takes effect, what cannot be, and every way back."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import InvalidInput
from providers.kinds.unit import systemd
from providers.kinds.unit.facts import UnitFacts, obstacles_of
from providers.kinds.unit.kind import KIND, identify
from providers.kinds.unit.links import also_of, starts_script, steps_back, wanted
from providers.kinds.unit.settings import UnitInputs
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_systemd import SYSTEM_FOLDER, SystemdMachine

TEXT = "[Service]\nExecStart=/usr/bin/web\n[Install]\nWantedBy=multi-user.target\n"
WISH = UnitInputs(host="box", name="web.service", text=TEXT, enabled=True, running=True)
PATH = f"{SYSTEM_FOLDER}/web.service"
LINK = f"{SYSTEM_FOLDER}/multi-user.target.wants/web.service"
QUADLET = "/var/lib/pod/.config/containers/systemd/web.container"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "SETTLE", 0.0)


def state(name: str, **wishes: Any) -> UnitInputs:
    return UnitInputs.model_validate({"host": "box", "name": name, **wishes})


async def make(machine: SystemdMachine, wish: UnitInputs) -> UnitFacts:
    before = await KIND.observe(machine, wish)
    await KIND.apply(machine, wish, before)
    assert KIND.differences(wish, await KIND.observe(machine, wish)) == {}
    return before


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


@pytest.mark.parametrize(
    "other",
    [
        "/etc/systemd/system.control/web.service",
        "/run/systemd/system.control/web.service",
        "/run/systemd/transient/web.service",
        "/run/systemd/generator.early/web.service",
    ],
)
async def test_a_file_that_wins_over_ours_is_named_and_nothing_is_written(other: str):
    machine = SystemdMachine()
    machine.bring("web.service", TEXT)
    machine.fragments["web.service"] = other
    with pytest.raises(InvalidInput, match=f"wins over {PATH}") as error:
        await make(machine, WISH)
    assert other in str(error.value)
    assert PATH not in machine.files


async def test_a_full_unit_in_the_accounts_folder_wins_over_a_quadlet_file():
    machine = SystemdMachine()
    wish = state("web.container", user="pod", text="[Container]\nImage=a\n", running=True)
    await make(machine, wish)
    machine.fragments["web.service"] = "/var/lib/pod/.config/systemd/user/web.service"
    found = await KIND.observe(machine, wish)
    assert "its service is /var/lib/pod/.config/systemd/user/web.service" in (found.text or "")
    with pytest.raises(InvalidInput, match=r"move .* away"):
        await KIND.apply(machine, wish, found)


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
    said = "".join(f"l\t{path}\t{target}\n" for path, target in links.items())
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


# --- the way back ---


@pytest.mark.parametrize(
    "links",
    [
        {},
        {LINK: "/usr/lib/systemd/system/web.service"},
        {f"{SYSTEM_FOLDER}/web.service": "/opt/web.service", LINK: "/opt/web.service"},
        {f"{SYSTEM_FOLDER}/other.target.requires/web.service": "/lib/systemd/system/web.service"},
        {f"{SYSTEM_FOLDER}/www.service": "/usr/lib/systemd/system/web.service"},
    ],
)
@pytest.mark.parametrize("wishes", [{"enabled": True}, {"enabled": False}, {"text": TEXT, "enabled": True}])
async def test_the_links_that_were_there_are_there_again(links: dict[str, str], wishes: dict[str, Any]):
    machine = SystemdMachine()
    machine.bring("web.service", "[Service]\nExecStart=/vendor\n[Install]\nWantedBy=multi-user.target\n")
    for path, target in links.items():
        machine.link(path, target)
    files = dict(machine.files)
    wish = state("web.service", **wishes)
    before = await KIND.observe(machine, wish)
    await KIND.apply(machine, wish, before)
    await KIND.restore(machine, wish, before)
    assert machine.files == files


def test_what_also_brings_goes_too_and_what_somebody_has_made_since_stays_unless_it_is_ours_to_say():
    before = {"/s/a.wants/x": "/x"}
    now = {"/s/a.wants/x": "/etc/x", "/s/b.wants/y.socket": "/y"}
    had = ["/s/a.wants"]
    both = steps_back(now, before, ["/s/a.wants", "/s/b.wants"], had)
    assert both == ["r\t/s/b.wants/y.socket", "l\t/s/a.wants/x\t/x", "d\t/s/b.wants"]
    assert steps_back(now, before, [], had, remove=False) == ["l\t/s/a.wants/x\t/x"]
    assert steps_back(before, before, ["/s/new"], []) == []
    assert also_of("[Install]\n Also = x.socket y.path\nAlso=z.timer\n") == "x.socket y.path z.timer"
    assert wanted(now, {"y.socket"})
    assert not wanted({"/s/y.socket": "/y"}, {"y.socket"})
    assert not starts_script({"/etc/rc1.d/S01x": ""})


async def test_a_text_that_is_not_utf8_comes_back_byte_for_byte():
    machine = SystemdMachine()
    machine.put(PATH, b"# caf\xe9\n" + TEXT.encode(), mode="0600")
    files = dict(machine.files)
    before = await make(machine, WISH)
    await KIND.restore(machine, WISH, before)
    assert machine.files == files


async def test_a_stop_that_fails_does_not_keep_the_rest_from_its_way_back():
    machine = SystemdMachine()
    before = await make(machine, WISH)
    machine.on("systemctl stop", 1)
    await KIND.restore(machine, WISH, before)
    assert PATH not in machine.files
    assert machine.wants == set()
    assert any("a part of the way back on box failed, and the rest went on" in line for line in machine.messages)


async def test_a_network_that_was_there_before_its_unit_stays():
    for there in (True, False):
        machine = SystemdMachine()
        if there:
            machine.put("/etc/containers/networks/own.json", "{}")
        wish = state("n.network", text="[Network]\nNetworkName=own\n", running=True)
        await KIND.restore(machine, wish, await make(machine, wish))
        assert ("podman network rm own" in machine.lines()) is not there


async def test_the_folder_that_a_mount_unit_makes_goes_with_it_and_one_that_was_there_stays():
    text = "[Mount]\nWhat=tmpfs\nWhere=/srv/x\nType=tmpfs\n"
    for there in (True, False):
        machine = SystemdMachine()
        folder = Stat("directory", "0755", "root", "root", 0)
        if there:
            machine.files["/srv/x"] = folder
        wish = state("srv-x.mount", text=text)
        before = await make(machine, wish)
        machine.files["/srv/x"] = folder  # systemd makes it when it mounts
        await KIND.restore(machine, wish, before)
        assert ("/srv/x" in machine.files) is there


# --- the account's home ---


async def test_the_home_that_a_unit_lies_in_is_a_part_of_what_it_is():
    machine = SystemdMachine()
    assert "home" in KIND.identity
    wish = state("web.container", user="pod", home="/var/lib/pod", text="[Container]\nImage=a\n")
    before = await make(machine, wish)
    assert QUADLET in machine.files
    # The account has moved meanwhile: what is removed is what was made.
    machine.accounts["pod"] = machine.accounts["pod"].__class__("pod", 990, 990, "pod", (), "/srv/pod", "/bin/sh", "")
    await KIND.restore(machine, wish, before)
    assert QUADLET not in machine.files
    assert identify(wish) == "user/pod/web.container"


# --- our own way in ---


@pytest.mark.parametrize(
    ("name", "wishes", "why"),
    [
        ("ssh.service", {"running": False}, "stop ssh.service"),
        ("ssh.socket", {"running": False}, "stop ssh.socket"),
        ("ssh.service", {"enabled": False}, "disable ssh.service"),
        ("systemd-networkd.service", {"running": False}, "stop systemd-networkd.service"),
        ("wg-quick@wg7.service", {"running": False}, "stop wg-quick@wg7.service"),
        ("my-shell.service", {"running": False}, "stop my-shell.service"),
        ("ssh.service", {"text": "[Service]\nExecStart=/bin/true\n"}, "starts no SSH server"),
        ("ssh.socket", {"text": "[Socket]\nListenStream=2222\n"}, "would not listen there"),
    ],
)
async def test_what_would_close_our_own_way_in_is_refused_unless_it_is_allowed(
    name: str, wishes: dict[str, Any], why: str
):
    machine = SystemdMachine()
    machine.way = "account admin\nconnection 192.0.2.1 5000 192.0.2.2 22\nunit my-shell.service\n"
    machine.interface = "wg7"
    machine.bring(name, TEXT)
    machine.units[name].state = "active"
    machine.want(name)
    with pytest.raises(InvalidInput, match=why) as error:
        await make(machine, state(name, **wishes))
    assert "allow_lockout" in str(error.value)
    assert machine.units[name].state == "active"
    allowed = state(name, **wishes, allow_lockout=True)
    await KIND.apply(machine, allowed, await KIND.observe(machine, allowed))


async def test_another_service_may_be_stopped():
    machine = SystemdMachine()
    machine.bring("cron.service", TEXT)
    machine.units["cron.service"].state = "active"
    await make(machine, state("cron.service", running=False))


async def test_destroy_leaves_the_service_that_we_come_in_by():
    machine = SystemdMachine()
    machine.bring("ssh.service", TEXT)
    wish = state("ssh.service", running=True)
    before = await make(machine, wish)
    await KIND.restore(machine, wish, before)
    assert machine.state("ssh.service") == "active"
    assert any("stays as it is: Hearth comes in through it" in line for line in machine.messages)
