"""What differs between LXD and Incus: it is asked in one place, and each is called by its own names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from providers.errors import InvalidInput
from providers.kinds.lxd import daemon, daemons, image, instance, joining, member, reset, things
from providers.kinds.lxd.api import Answer
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.providers.kinds.lxd.fake_daemon import NOTHING, WISH, Daemon, box, first_member, joiner, ok, server

ROOT = Path(daemons.__file__).parents[3]
PLACES = ("providers/kinds/lxd", "components/lxd", "checks/lxd")
OF_EITHER = re.compile(
    r"\"(lxc|incus|incusd)\"|\b(lxc|incus) (admin|cluster|config|exec|storage|network)\b"
    r"|(lxd|incus)\.(socket|service)\b"
    r"|/var/(lib|snap|log)/(lxd|incus)\b|lxd-agent|incus-base|images\.(lxd|linuxcontainers)"
)


def test_no_other_file_has_a_command_unit_folder_or_package_of_either():
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for place in PLACES
        for path in (ROOT / place).glob("*.py")
        if path.name != "daemons.py"
        for line in path.read_text().splitlines()
        if OF_EITHER.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("software", "lines"),
    [
        ("lxd", ["lxc delete --force web", "lxc storage delete fast", "lxc cluster remove bcn2"]),
        ("incus", ["incus delete --force web", "incus storage delete fast", "incus cluster remove bcn2"]),
    ],
)
def test_a_person_is_told_the_commands_of_the_one_that_runs_there(software: daemons.Daemon, lines: list[str]):
    told = [("delete --force", "web"), ("storage delete", "fast"), ("cluster remove", "bcn2")]
    assert [things.by_hand(software, command, name) for command, name in told] == lines


@pytest.mark.parametrize(
    ("software", "packages", "units"),
    [
        ("lxd", "nftables dnsmasq-base lxd", "lxd.socket lxd.service"),
        ("incus", "nftables dnsmasq-base incus-base", "incus.socket incus-user.socket incus.service"),
    ],
)
async def test_the_packages_that_are_installed_are_those_of_containers_and_its_sockets_are_started_first(
    software: daemons.Daemon, packages: str, units: str, monkeypatch: pytest.MonkeyPatch
):
    installed: list[str] = []

    async def observe(_session: Any, wanted: Any) -> None:
        installed.append(wanted.name)

    async def apply(_session: Any, _wanted: Any, _facts: Any) -> None:
        return None

    monkeypatch.setattr(daemon.package, "observe", observe)
    monkeypatch.setattr(daemon.package, "apply", apply)
    session = box(Daemon().on("GET /1.0", server())).on("systemctl", "")
    inputs = daemon.DaemonInputs(host="box", daemon=software)
    await daemon.apply(session, inputs, daemon.DaemonFacts(present=False))
    assert " ".join(installed) == packages
    assert f"systemctl start {units}" in session.lines()


async def test_packages_that_came_with_a_later_change_are_put_back_as_they_were_before_it(
    monkeypatch: pytest.MonkeyPatch,
):
    there: dict[str, Any] = {"present": True}
    bare = daemon.DaemonFacts(present=False, packages={"lxd": {"present": False}, "btrfs-progs": {"present": False}})
    # By then somebody has QEMU, and the pool that needed btrfs-progs has gone from the settings.
    now = daemon.DaemonFacts(present=True, packages={"lxd": there, "qemu-utils": there, "ovmf": {"present": False}})
    before = daemon.widen(bare, now)
    assert before.packages == {**bare.packages, "qemu-utils": there, "ovmf": {"present": False}}
    assert daemon.widen(before, now) is before
    put_back: dict[str, bool] = {}

    async def restore(_session: Any, wanted: Any, facts: Any) -> None:
        put_back[wanted.name] = facts.present

    async def observe(_session: Any, _wanted: Any) -> daemon.package.PackageFacts:
        return daemon.package.PackageFacts(present=False)

    monkeypatch.setattr(daemon.package, "restore", restore)
    monkeypatch.setattr(daemon.package, "observe", observe)
    found = {"accounts": [], "ids": [], "sysctls": {}, "folders": []}

    asked = Daemon().on("GET /1.0/instances", ok([]))

    def answers(call: Call) -> str:
        return asked(call) if b'"requests"' in call.stdin else json.dumps(found)

    session = FakeSession(machine="box").on("python3", answers).on("systemctl", "").on("sh", "")
    inputs = daemon.DaemonInputs(host="box", extra=["qemu-utils", "ovmf"], keep_data=False)
    await daemon.restore(session, inputs, before)
    assert put_back == {
        "nftables": False,
        "dnsmasq-base": False,
        "lxd": False,
        "qemu-utils": True,
        "ovmf": False,
        "btrfs-progs": False,
    }


@pytest.mark.parametrize("software", ["lxd", "incus"])
async def test_a_reset_stops_its_own_units_and_empties_its_own_folder(software: daemons.Daemon):
    session = FakeSession(machine="box").on("sh", "").on("systemctl", "")
    await reset.reset(session, daemons.ABOUT[software], start=True)
    text = next(call.script for call in session.calls if call.script)
    other = "incus" if software == "lxd" else "lxd"
    assert f"state=/var/lib/{software}\n" in text
    assert f"systemctl stop {' '.join(daemons.ABOUT[software].units)}" in text
    assert other not in re.sub(r"of LXD's", "", text)


def test_an_empty_list_of_incus_is_null_and_is_an_empty_list():
    assert [Answer(200, None).listed, Answer(200, []).listed, Answer(200, ["a"]).listed] == [[], [], ["a"]]


async def test_a_daemon_of_incus_with_nothing_in_it_begins_a_cluster_by_its_own_preseed():
    own = Daemon().on("GET /1.0", server("6.0.4")).on("GET /1.0/instances", ok(None))
    session = box(own.on("GET /1.0/storage-pools", ok(None))).on("sh -c", 0).on("date", "1000.0")
    inputs = member.MemberInputs(host="box", name="a", address="10.0.0.1:8443", daemon="incus")
    await member.apply(session, inputs, NOTHING)
    (preseed,) = [call for call in session.calls if call.line.endswith("incus admin init --preseed")]
    assert b"core.https_address: 10.0.0.1:8443" in preseed.stdin


async def test_a_join_to_incus_goes_by_its_own_commands():
    cluster = first_member()
    session = joiner(0, cluster)
    session.on("sh -c", 0)
    session.others["one"].on("/usr/libexec/incus/incusd", "")
    await member.apply(session, WISH.model_copy(update={"daemon": "incus"}), NOTHING)
    assert "/usr/libexec/incus/incusd cluster remove-raft-node --quiet 10.0.0.2:8443" in session.others["one"].lines()
    assert not [line for line in (*session.lines(), *session.others["one"].lines()) if line.startswith("lx")]


async def test_members_of_different_software_are_told_apart_and_how_to_bring_incus_to_one_version():
    cluster = first_member().on("GET /1.0", server("6.0.5", clustered=True, name="a"))
    session = joiner(0, cluster)
    with pytest.raises(InvalidInput, match="versions differ") as caught:
        await joining.compare(session, "incus", ["one"])
    assert "one: incus 6.0.5" in caught.value.detail
    assert "--only-upgrade incus-base" in caught.value.remedy


@pytest.mark.parametrize(
    ("software", "server_name", "url"),
    [
        ("lxd", "images", "https://images.lxd.canonical.com"),
        ("incus", "images", "https://images.linuxcontainers.org"),
        ("incus", "https://images.example.org", "https://images.example.org"),
    ],
)
async def test_an_image_comes_from_the_server_that_goes_with_the_software(
    software: daemons.Daemon, server_name: str, url: str
):
    made = {"status": 200, "metadata": {"metadata": {"fingerprint": "f"}}}
    there = Daemon().on("POST /1.0/images", made)
    inputs = image.ImageInputs(host="box", alias="debian", daemon=software, server=server_name, name="debian/13")
    await image.apply(box(there), inputs, image.ImageFacts(present=False))
    assert there.body("POST /1.0/images")["source"]["server"] == url


async def test_an_instance_of_incus_that_is_protected_says_incus_command():
    found = {"name": "web", "config": {"security.protection.delete": "true"}, "status": "Running"}
    inputs = instance.InstanceInputs(host="box", name="web", image="debian", daemon="incus")
    session = box(Daemon().on("GET /1.0/instances/web", ok(found)))
    with pytest.raises(InvalidInput) as caught:
        await instance.restore(session, inputs, instance.InstanceFacts(present=False))
    assert caught.value.remedy.startswith("incus config set web ")
