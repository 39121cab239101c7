"""Bridges over interfaces that one file configures: made and gone in any order, every file is as it was in the end."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers.errors import InvalidInput
from providers.kinds.lxd import bridge
from providers.kinds.lxd.bridge import BridgeFacts, BridgeInputs, facts_of
from providers.kinds.lxd.bridge_files import Renderer
from providers.kinds.lxd.bridge_notes import PATH
from providers.kinds.lxd.bridge_takeover import CLOUD_INIT
from tests.unit.providers.kinds.fake_session import Call, FakeSession

NICS = {"br0": "eth0", "br1": "eth1", "br2": "eth2"}
MACS = {nic: f"52:54:00:00:00:0{number}" for number, nic in enumerate(NICS.values())}
IFUPDOWN = """\
# two of them begin on one line
auto lo eth0 eth1
iface lo inet loopback

iface eth0 inet static
    address 192.0.2.10/24
iface eth1 inet dhcp
# between
auto eth2
iface eth2 inet static
    address 198.51.100.2/24
"""
NETPLAN = """\
network:   # as somebody wrote it
    version: 2
    ethernets:
        eth0: {addresses: [192.0.2.10/24]}
        eth1: {dhcp4: true}
        eth2: {addresses: [198.51.100.2/24], mtu: 9000}
"""
FILES: dict[Renderer, dict[str, str]] = {
    "ifupdown": {"/etc/network/interfaces": IFUPDOWN},
    "netplan": {"/etc/netplan/50-all.yaml": NETPLAN},
    "networkd": {
        f"/etc/systemd/network/0{number}-{nic}.network": f"[Match]\nName={nic}\n" for number, nic in enumerate(MACS)
    },
}


@dataclass
class Network:
    """A machine's network in memory: files, and which interface is in which bridge."""

    renderer: Renderer
    files: dict[str, str]
    masters: dict[str, str] = field(default_factory=dict[str, str])
    refuses: bool = False
    """Whether the next change is taken back."""

    def __post_init__(self) -> None:
        self.session = FakeSession().on("python3", self.answer)

    def answer(self, call: Call) -> str:
        given = json.loads(call.stdin)
        verb = given.get("verb")
        if verb == "begin" and not self.refuses:
            for path, entry in given["files"].items():
                if entry is None:
                    self.files.pop(path, None)
                else:
                    self.files[path] = base64.b64decode(entry["content"]).decode()
            self.masters = {nic: name for nic, name in self.masters.items() if name != given["name"]}
            if given["bridged"]:
                self.masters[given["nic"]] = given["name"]
        if verb is not None:
            state = {"begin": "begun", "state": "applied", "keep": "kept", "forget": "forgotten"}[verb]
            return json.dumps({"state": "taken back" if self.refuses and verb == "begin" else state, "why": "nobody"})
        return json.dumps(self.look(given["name"], given["nic"]))

    def look(self, name: str, nic: str) -> dict[str, Any]:
        def link(link_name: str, *, bridged: bool) -> dict[str, Any]:
            about = {"exists": True, "bridge": bridged, "mac": MACS.get(link_name, MACS[nic]), "index": "2"}
            return {**about, "master": self.masters.get(link_name, ""), "addresses": [], "routes": [], "sysctls": {}}

        noted = self.session.files.get(PATH)
        notes: dict[str, Any] = {} if noted is None or noted.content is None else json.loads(noted.content)
        if notes:
            notes["held"] = [each for each, about in notes["bridges"].items() if self.masters.get(about["nic"]) == each]
        return {
            "nic": link(nic, bridged=False),
            "there": link(name, bridged=name in self.masters.values()),
            "files": {
                path: {"content": base64.b64encode(text.encode()).decode(), "mode": "0o644", "uid": 0, "gid": 0}
                for path, text in self.files.items()
            },
            **{each: each == self.renderer for each in ("netplan", "networkd", "ifupdown")},
            "manager": False,
            "cloud_init": True,
            "client_id": "",
            "noted": notes,
        }

    async def make(self, name: str) -> BridgeFacts:
        """Make a bridge; what its record has of the machine before it."""
        before = await bridge.observe(self.session, wish(name))
        await bridge.apply(self.session, wish(name), before)
        # A record is read from a file of JSON.
        return BridgeFacts.model_validate_json(before.model_dump_json())

    def is_as_wished(self, name: str) -> bool:
        return facts_of(wish(name), self.look(name, NICS[name])).renderer == "auto"


def wish(name: str) -> BridgeInputs:
    return BridgeInputs.model_validate({"host": "box", "name": name, "nic": NICS[name], "addresses": []})


ORDERS = [
    (made, gone) for made in (("br0", "br1", "br2"), ("br2", "br0", "br1")) for gone in itertools.permutations(NICS)
]


@pytest.mark.parametrize("renderer", FILES)
@pytest.mark.parametrize(("made", "gone"), ORDERS)
async def test_bridges_go_in_any_order_and_every_file_is_as_it_was(
    renderer: Renderer, made: tuple[str, ...], gone: tuple[str, ...]
):
    network = Network(renderer, dict(FILES[renderer]))
    records = {name: await network.make(name) for name in made}
    assert all(network.is_as_wished(name) for name in made)
    left = list(made)
    for name in gone:
        left.remove(name)
        await bridge.restore(network.session, wish(name), records[name])
        assert all(network.is_as_wished(each) for each in left), "none of the others has drifted"
        assert (CLOUD_INIT in network.files) is bool(left)
    assert network.files == FILES[renderer]
    assert PATH not in network.session.files


async def test_a_bridge_that_comes_back_while_another_stays_leaves_the_files_as_they_were_too():
    network = Network("ifupdown", dict(FILES["ifupdown"]))
    first, second = await network.make("br0"), await network.make("br1")
    await bridge.restore(network.session, wish("br0"), first)
    again = await network.make("br0")
    await bridge.restore(network.session, wish("br1"), second)
    await bridge.restore(network.session, wish("br0"), again)
    assert network.files == FILES["ifupdown"]


async def test_an_interface_that_somebody_took_out_of_its_bridge_and_that_up_put_back_in_gets_back_what_it_had():
    network = Network("netplan", dict(FILES["netplan"]))
    record = await network.make("br1")
    network.masters.clear()
    await network.make("br1")
    await bridge.restore(network.session, wish("br1"), record)
    assert network.files == FILES["netplan"]


async def test_a_bridge_that_the_machine_took_back_is_noted_nowhere():
    network = Network("ifupdown", dict(FILES["ifupdown"]), refuses=True)
    with pytest.raises(InvalidInput, match="taken back"):
        await network.make("br0")
    assert PATH not in network.session.files


async def test_a_bridge_that_was_taken_back_is_noted_nowhere_also_where_an_earlier_try_lost_its_connection():
    network = Network("ifupdown", dict(FILES["ifupdown"]), refuses=True)
    notes = {"files": {}, "bridges": {"br0": {"nic": "eth0", "mac": MACS["eth0"], "renderer": "ifupdown"}}}
    network.session.put(PATH, json.dumps(notes))
    with pytest.raises(InvalidInput, match="taken back"):
        await network.make("br0")
    assert PATH not in network.session.files


async def test_a_note_of_a_bridge_that_never_came_to_be_keeps_nothing_from_its_interface():
    network = Network("ifupdown", dict(FILES["ifupdown"]))
    record = await network.make("br0")
    notes = json.loads(network.session.files[PATH].content or b"")
    notes["bridges"]["br1"] = {"nic": "eth1", "mac": MACS["eth1"], "renderer": "ifupdown"}
    network.session.put(PATH, json.dumps(notes))
    await bridge.restore(network.session, wish("br0"), record)
    assert network.files == FILES["ifupdown"]


async def test_a_bridge_of_an_earlier_hearth_without_notes_goes_back_by_its_record():
    network = Network("ifupdown", dict(FILES["ifupdown"]))
    first = await network.make("br0")
    del network.session.files[PATH]
    await network.make("br0")
    assert PATH not in network.session.files
    second = await network.make("br1")
    await bridge.restore(network.session, wish("br1"), second)
    await bridge.restore(network.session, wish("br0"), first)
    assert network.files == FILES["ifupdown"]
