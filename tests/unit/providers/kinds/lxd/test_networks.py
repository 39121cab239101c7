"""A network whose DNS server LXD starts anew while the old one still has its address, as on a busy machine."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import HearthError
from providers.kinds.lxd import everywhere, network
from tests.unit.providers.kinds.lxd.fake_daemon import MEMBERS, Daemon, box, in_turn, ok

# As LXD 5.0.2 said it on a machine of the lab.
BUSY = {
    "status": 500,
    "metadata": None,
    "error": "The DNS and DHCP service exited prematurely: exit status 2"
    ' ("dnsmasq: failed to create listening socket for 10.100.0.1: Address already in use")',
}
FOUND = {"status": "Created", "managed": True, "type": "bridge", "description": "", "config": {}, "used_by": []}
WISH = network.NetworkInputs(host="box", name="n", config={"ipv4.address": "10.100.0.1/24"})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everywhere, "AWAY_SECONDS", 0.0)


def daemon(*answers: dict[str, Any]) -> Daemon:
    made = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS)).on("GET /1.0/networks/n", ok(FOUND))
    return made.on("PUT /1.0/networks/n", in_turn(*answers))


async def test_it_is_changed_again_until_the_old_server_is_away():
    asked = daemon(BUSY, BUSY, ok({}))
    session = box(asked).on("lxd cluster", "")
    await network.apply(session, WISH, await network.observe(session, WISH))
    assert asked.changes() == ["PUT /1.0/networks/n"] * 3
    assert "once more" in session.messages[-1]


@pytest.mark.parametrize(("answer", "times"), [(BUSY, 3), ({**BUSY, "error": "Invalid option for network"}, 1)])
async def test_one_whose_address_somebody_else_has_is_refused_as_is_any_other(answer: dict[str, Any], times: int):
    asked = daemon(answer)
    session = box(asked).on("lxd cluster", "")
    with pytest.raises(HearthError) as caught:
        await network.apply(session, WISH, await network.observe(session, WISH))
    assert answer["error"] in caught.value.detail
    assert asked.changes() == ["PUT /1.0/networks/n"] * times


async def test_its_way_back_is_tried_again_too():
    asked = daemon(BUSY, ok({}))
    session = box(asked).on("lxd cluster", "")
    before = network.NetworkFacts(present=True, whole={"description": "old", "config": {}})
    await network.restore(session, WISH, before)
    assert asked.changes() == ["PUT /1.0/networks/n"] * 2
