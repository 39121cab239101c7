"""The kind Unit on machines as people have them: every way back, and our own way in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from providers.errors import InvalidInput
from providers.kinds.unit.kind import KIND, identify
from providers.kinds.unit.links import also_of, starts_script, steps_back, wanted
from providers.machine.session import Stat
from tests.unit.providers.kinds.fake_systemd import SYSTEM_FOLDER, SystemdMachine
from tests.unit.providers.kinds.unit_trial import LINK, PATH, QUADLET, TEXT, WISH, hurry, make, state

__all__ = ["hurry"]


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
    # Also where the text writes the folder in another way than Hearth would: its name says which it is.
    texts = ["Where=/srv/x y", " Where = /srv//x y/ ", "Where=/srv/%%/../x y"]
    for there, where in itertools.product((True, False), texts):
        text = f"[Mount]\nWhat=tmpfs\n{where}\nType=tmpfs\n"
        machine = SystemdMachine()
        folder = Stat("directory", "0755", "root", "root", 0)
        if there:
            machine.files["/srv/x y"] = folder
        wish = state("srv-x\\x20y.mount", text=text)
        before = await make(machine, wish)
        machine.files["/srv/x y"] = folder  # systemd makes it when it mounts
        await KIND.restore(machine, wish, before)
        assert ("/srv/x y" in machine.files) is there


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
