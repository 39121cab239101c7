"""A change of a virtual machine's cards: it is stopped and started for it, and a preview says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.kinds.lxd import instance
from providers.kinds.lxd.instance import InstanceInputs, announce
from tests.unit.providers.kinds.fake_session import Call
from tests.unit.providers.kinds.lxd.fake_daemon import Daemon, box, ok
from tests.unit.providers.kinds.lxd.test_kinds import FOUND

PATH = "/1.0/instances/vm1"
CARD = {"type": "gpu", "gputype": "physical", "pci": "0000:01:00.0"}
AUDIO = {"type": "pci", "address": "0000:01:00.1"}
NIC = {"type": "nic", "network": "lxdbr0"}


class Running(Daemon):
    """A daemon with one virtual machine, which is in the state that it was last asked to be in."""

    def __init__(self, devices: dict[str, Any]) -> None:
        super().__init__()
        self.found = {**FOUND, "type": "virtual-machine", "devices": devices}

    def __call__(self, call: Call) -> str:
        answers: list[Any] = []
        for request in json.loads(call.stdin).get("requests", []):
            if request["method"] == "PUT" and request["path"].startswith(f"{PATH}/state"):
                self.found["status"] = "Running" if request["body"]["action"] == "start" else "Stopped"
            self.on(f"GET {PATH}", ok(self.found))
            answers += json.loads(super().__call__(Call(("python3",), json.dumps({"requests": [request]}).encode())))
        return json.dumps(answers)

    def states(self) -> list[str]:
        """Return what was done, in order: the states that were asked for, and `changed`."""
        changes = [each for each in self.asked if each["method"] == "PUT"]
        return [each["body"].get("action", "changed") for each in changes]


async def changed(daemon: Daemon, devices: dict[str, Any], **more: Any) -> list[str]:
    session = box(daemon)
    wish = {"type": "virtual-machine", "devices": devices, **more}
    inputs = InstanceInputs(host="box", name="vm1", image="debian", **wish)
    await instance.apply(session, inputs, await instance.observe(session, inputs))
    return session.messages


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {"gpu0": CARD, "gpu0f1": AUDIO}), ({"gpu0": CARD}, {"gpu0": {**CARD, "pci": "0000:02:00.0"}})],
)
async def test_a_virtual_machine_is_stopped_for_another_card_and_started_again(
    before: dict[str, Any], after: dict[str, Any]
):
    daemon = Running(before)
    told = await changed(daemon, after)
    assert daemon.states() == ["stop", "changed", "start"]
    assert any("is stopped meanwhile" in message for message in told)


async def test_for_anything_else_it_goes_on():
    daemon = Running({"gpu0": CARD})
    await changed(daemon, {"gpu0": CARD, "eth0": NIC})
    assert daemon.states() == ["changed"]


async def test_one_that_is_to_be_stopped_is_not_started_for_its_card():
    daemon = Running({})
    await changed(daemon, {"gpu0": CARD}, running=False)
    assert daemon.states() == ["stop", "changed"]


@pytest.mark.parametrize(
    ("old", "wish", "told"),
    [
        (None, {"devices": {"gpu0": CARD}}, False),
        ({"devices": {}}, {"devices": {"gpu0": CARD}}, True),
        ({"devices": {"gpu0": CARD, "a": AUDIO}}, {"devices": {"gpu0": CARD}}, True),
        ({"devices": {"gpu0": CARD}}, {"devices": {"gpu0": CARD, "eth0": NIC}}, False),
        ({"devices": None}, {"devices": {}}, False),
        ({"devices": {}}, {"devices": {"gpu0": CARD}, "type": "container"}, False),
    ],
)
def test_a_preview_tells_of_it(old: dict[str, Any] | None, wish: dict[str, Any], told: bool):
    inputs = InstanceInputs(host="box", name="vm1", image="debian", **{"type": "virtual-machine", **wish})
    assert bool(announce(old, inputs)) is told
