"""Bridges over a machine's interfaces: whose files are taken over, what becomes of them, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from checks.lxd.machines import bridge_rows, check_ssh
from checks.result import CheckResult, Status
from components.lxd.deployed import DeployedSsh
from providers.errors import HearthError, InvalidInput
from providers.kinds.lxd import bridge
from providers.kinds.lxd.bridge import BridgeInputs, facts_of
from providers.kinds.lxd.bridge_commands import COMMANDS
from providers.kinds.lxd.bridge_takeover import CLOUD_INIT, CanNotTakeOver, about_link, take_over
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession

MAC = "52:54:00:aa:bb:cc"
BY_MAC = f"""\
network:
  version: 2
  ethernets:
    uplink:
      match: {{macaddress: '{MAC.upper()}'}}
      set-name: eth0
      mtu: 9000
      dhcp4: true
      dhcp4-overrides: {{use-dns: false}}
      nameservers: {{addresses: [192.0.2.1]}}
    eth1: {{addresses: [198.51.100.1/24]}}
"""
INTERFACES = """\
# The uplink
auto lo eth0
iface lo inet loopback

allow-hotplug eth0
iface eth0 inet static
    address 192.0.2.10/24
    # a comment of its own
    gateway 192.0.2.1
iface eth0 inet6 auto

auto eth1
iface eth1 inet dhcp
source /etc/network/interfaces.d/*
"""


# --- files that are taken over -------------------------------------------------------------------------------------


def test_an_interface_that_netplan_matches_by_its_hardware_address_keeps_its_name_and_loses_its_addresses():
    taken = take_over({"/etc/netplan/50-cloud-init.yaml": BY_MAC}, "eth0", MAC, "netplan")
    links = yaml.safe_load(taken.texts["/etc/netplan/50-cloud-init.yaml"] or "")["network"]["ethernets"]
    assert links == {
        "uplink": {"match": {"macaddress": MAC.upper()}, "set-name": "eth0", "mtu": 9000},
        "eth1": {"addresses": ["198.51.100.1/24"]},
    }
    assert taken.port == "uplink"


def test_taking_over_twice_changes_nothing_more():
    path = "/etc/netplan/50-cloud-init.yaml"
    once = take_over({path: BY_MAC}, "eth0", MAC, "netplan").texts[path]
    assert take_over({path: once or ""}, "eth0", MAC, "netplan").texts[path] == once
    path = "/etc/network/interfaces"
    once = take_over({path: INTERFACES}, "eth0", MAC, "ifupdown").texts[path]
    assert take_over({path: once or ""}, "eth0", MAC, "ifupdown").texts.get(path, once) == once


def test_the_stanzas_of_one_interface_leave_ifupdowns_file_and_all_others_stay():
    taken = take_over({"/etc/network/interfaces": INTERFACES}, "eth0", MAC, "ifupdown")
    assert taken.texts["/etc/network/interfaces"] == (
        "# The uplink\nauto lo\niface lo inet loopback\n\n\nauto eth1\niface eth1 inet dhcp\n"
        "source /etc/network/interfaces.d/*\n".replace("\n\n\nauto", "\n\nauto")
    )


def test_a_file_of_ifupdowns_that_reads_no_others_reads_the_bridges_from_then_on():
    taken = take_over({"/etc/network/interfaces": "auto lo\niface lo inet loopback\n"}, "eth0", MAC, "ifupdown")
    assert taken.texts == {
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n"
    }
    assert take_over({"/etc/network/interfaces": INTERFACES}, "eth9", MAC, "ifupdown").texts == {}


def test_networkds_files_stay_unless_they_come_before_hearths():
    own = "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n"
    files = {"/etc/systemd/network/50-eth0.network": own, "/etc/systemd/network/05-eth0.network": own}
    assert take_over(files, "eth0", MAC, "networkd").texts == {"/etc/systemd/network/05-eth0.network": None}


@pytest.mark.parametrize(
    ("path", "text", "renderer", "named"),
    [
        ("/etc/netplan/1.yaml", "network: {ethernets: {all: {match: {name: 'e*'}, dhcp4: true}}}", "netplan", "'e\\*'"),
        ("/etc/systemd/network/05-all.network", "[Match]\nName=e*\n", "networkd", "05-all.network"),
    ],
)
def test_a_file_that_is_about_other_interfaces_too_is_refused_by_its_name(
    path: str, text: str, renderer: Any, named: str
):
    with pytest.raises(CanNotTakeOver, match=named):
        take_over({path: text}, "eth0", MAC, renderer)


def test_whose_files_name_the_interface_says_what_configures_it():
    files = {"/etc/network/interfaces": INTERFACES, "/etc/systemd/network/50-x.network": "[Match]\nName=eth9\n"}
    assert about_link(files, "eth0", MAC) == {"ifupdown": ["/etc/network/interfaces"]}


# --- the kind ------------------------------------------------------------------------------------------------------


def link(**more: Any) -> dict[str, Any]:
    return {
        "exists": True,
        "bridge": False,
        "mac": MAC,
        "index": "2",
        "master": "",
        "addresses": [],
        "routes": [],
        "sysctls": {},
        **more,
    }


def found(files: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    entries = {
        path: {"content": base64.b64encode(text.encode()).decode(), "mode": "0o644", "uid": 0, "gid": 0}
        for path, text in (files or {}).items()
    }
    return {
        "nic": link(),
        "there": link(exists=False, mac=""),
        "files": entries,
        "netplan": False,
        "networkd": True,
        "ifupdown": False,
        "manager": False,
        "cloud_init": False,
        "client_id": "",
        **more,
    }


def wish(**more: Any) -> BridgeInputs:
    return BridgeInputs.model_validate({"host": "box", "name": "br0", "nic": "eth0", **more})


def test_the_number_of_the_lease_goes_with_the_bridge_and_cloud_init_is_told_to_leave_the_network():
    seen = found(client_id="ff0a1b2c3d00020000ab11", cloud_init=True)
    texts, renderer = bridge.wished(wish(dhcp=True), seen)
    assert renderer == "networkd"
    assert f"IAID={0x0A1B2C3D}" in (texts["/etc/systemd/network/10-hearth-br0.network"] or "")
    assert "config: disabled" in (texts[CLOUD_INIT] or "")


def test_a_bridge_with_its_files_edited_is_drift_that_names_the_file():
    texts, _ = bridge.wished(wish(addresses=["192.0.2.10/24"]), found())
    files = {path: text or "" for path, text in texts.items()}
    there = link(bridge=True, addresses=[{"local": "192.0.2.10", "prefixlen": 24, "scope": "global"}])
    right = facts_of(wish(addresses=["192.0.2.10/24"]), found(files, nic=link(master="br0"), there=there))
    assert bridge.KIND.differences(wish(addresses=["192.0.2.10/24"]), right) == {}
    files["/etc/systemd/network/10-hearth-br0.network"] += "DHCP=yes\n"
    wrong = facts_of(wish(addresses=["192.0.2.10/24"]), found(files, nic=link(master="br0"), there=there))
    differences = bridge.KIND.differences(wish(addresses=["192.0.2.10/24"]), wrong)
    assert "10-hearth-br0.network" in str(differences["renderer"])
    assert not differences.keys() & set(bridge.KIND.identity), "a drift must not make it anew, with instances in it"


def test_an_address_of_somebody_elses_on_the_bridge_is_no_drift():
    assert not bridge.KIND.differs("addresses", ["192.0.2.10/24"], ["10.0.0.1/8", "192.0.2.10/24"])
    assert bridge.KIND.differs("addresses", ["192.0.2.10/24"], ["10.0.0.1/8"])


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (found(nic=link(exists=False)), "there is no network interface eth0"),
        (found(nic=link(bridge=True)), "is a bridge itself"),
        (found(nic=link(master="br9")), "is in br9 already"),
        (found(networkd=False), "none of netplan, systemd-networkd and ifupdown"),
    ],
)
async def test_what_can_not_be_bridged_is_refused_before_anything_is_touched(seen: dict[str, Any], said: str):
    session = FakeSession()
    with pytest.raises(InvalidInput, match=said):
        await bridge.apply(session, wish(), facts_of(wish(), seen))
    assert session.calls == []


@pytest.mark.parametrize(
    "answers",
    [
        [{"state": "begun", "why": ""}, {"state": "taken back", "why": "nobody"}],
        [{"state": "begun", "why": ""}, {"state": "applied", "why": ""}, {"state": "taken back", "why": "nobody"}],
        [{"state": "taken back", "why": "nobody"}],
    ],
)
async def test_a_change_that_was_taken_back_is_an_error_and_is_forgotten(answers: list[dict[str, str]]):
    verbs: list[str] = []
    left = [*answers, {"state": "forgotten", "why": ""}]

    def answer(call: Call) -> str:
        verbs.append(json.loads(call.stdin)["verb"])
        return json.dumps(left.pop(0))

    with pytest.raises(HearthError, match="taken back by the machine itself") as caught:
        await bridge.apply(FakeSession().on("python3", answer), wish(), facts_of(wish(), found()))
    assert caught.value.detail == "nobody"
    assert verbs[-1] == "forget"


def test_what_an_earlier_hearth_noted_of_a_bridge_can_be_read():
    noted = {"present": False, "nic": "", "addresses": [], "configuredBy": "networkd", "mac": "", "found": found()}
    assert bridge.KIND.facts.model_validate(noted).found["files"] == {}


async def test_the_way_back_gives_the_interfaces_files_back_and_none_of_another_bridges():
    own, other = "/etc/systemd/network/50-eth0.network", "/etc/systemd/network/10-hearth-lan0.network"
    before = facts_of(wish(), found({own: "[Match]\nName=eth0\n", other: "[Match]\nName=lan0\n"}))
    texts, _ = bridge.wished(wish(), before.found)
    files = {path: text for path, text in texts.items() if text is not None}
    now = found(files, nic=link(master="br0"), there=link(bridge=True))
    begun: dict[str, Any] = {}

    def answer(call: Call) -> str:
        given = json.loads(call.stdin)
        if "verb" not in given:
            return json.dumps(now)
        if given["verb"] == "begin":
            begun.update(given)
        return json.dumps({"state": {"begin": "begun", "state": "applied", "keep": "kept"}[given["verb"]], "why": ""})

    await bridge.restore(FakeSession().on("python3", answer), wish(), before)
    assert base64.b64decode(begun["files"][own]["content"]) == b"[Match]\nName=eth0\n"
    assert other not in begun["files"], "lan0 has gone meanwhile, and does not come back with this"
    assert all(begun["files"][path] is None for path in files if "hearth" in path)


def test_ifupdown_stops_a_client_of_dhcp_while_the_files_have_its_stanza_still():
    own = COMMANDS["ifupdown"].of("eth1", "lan0")
    assert own.before == [["-", "ifdown", "--force", "eth1"]]
    assert own.leave == [["-", "ifdown", "--force", "lan0"]]
    assert (own.into[-1], own.again[-1]) == (["ifup", "lan0"], ["ifup", "--force", "eth1"])
    words = {
        word
        for each in COMMANDS.values()
        for group in vars(each.of("eth1", "lan0")).values()
        for c in group
        for word in c
    }
    assert not {"NIC", "NAME"} & words


# --- checks --------------------------------------------------------------------------------------------------------

SAID = f"master br0\naddress {MAC} {MAC}\nstate up\nhas 192.0.2.10/24\nhas fe80::1/64\n"


def failed(rows: list[CheckResult]) -> list[str]:
    return [row.question for row in rows if row.status is Status.FAIL]


@pytest.mark.parametrize(
    ("said", "questions"),
    [
        (SAID, []),
        (SAID.replace("master br0", "master "), ["box: eth0 is in br0"]),
        (SAID.replace(MAC, "02:00:00:00:00:01", 1), ["box: br0 has the hardware address of eth0"]),
        (SAID.replace("192.0.2.10", "192.0.2.11"), ["box: br0 has 192.0.2.10/24"]),
        (SAID.replace("state up", "state down"), ["box: br0 carries traffic"]),
    ],
)
def test_each_row_of_a_bridge_fails_on_what_it_is_about(said: str, questions: list[str]):
    assert failed(bridge_rows("box", "br0", "eth0", ["192.0.2.10/24"], said)) == questions


SSH = DeployedSsh(user="ann", key="~/.ssh/key", names={"a": ["a", "10.0.0.1"], "b": ["b", "10.0.0.2"]})


async def test_ssh_among_the_machines_passes_by_name_and_by_address():
    session = FakeSession(machine="a").on("sh", "600\n256 SHA256:x ann (ED25519)\n").on("ssh", "")
    rows = await check_ssh(session, SSH, "a")
    assert failed(rows) == []
    assert [row.question for row in rows][1:] == ["a reaches b as b over SSH", "a reaches b as 10.0.0.2 over SSH"]


async def test_a_key_that_others_may_read_and_a_machine_that_does_not_let_in_fail():
    session = FakeSession(machine="a").on("sh", "644\n256 SHA256:x\n").on("ssh", Completed(255, "", "denied"))
    assert failed(await check_ssh(session, SSH, "a")) == [
        "a has its key, for its user alone",
        "a reaches b as b over SSH",
        "a reaches b as 10.0.0.2 over SSH",
    ]
