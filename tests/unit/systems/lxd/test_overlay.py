"""The overlay: joining and leaving against an API that ignores values of the wrong type, as ZeroTier's does."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from checks.lxd.machines import check_overlay
from checks.result import Status
from components.lxd import overlay
from config.systems.lxd import Lxd
from lab.systems.lxd.zerotier_stand_in import ZeroTierNode
from providers.errors import InvalidInput
from providers.kinds.lxd import overlay_member
from providers.kinds.lxd.overlay_member import OverlayMemberFacts, OverlayMemberInputs, covered
from providers.kinds.lxd.zerotier import CENTRAL, SERVICE, TOKEN_FILE, ZeroTierError
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import FakeSession
from tests.unit.systems.lxd.test_settings import GOOD

NETWORK = "0123456789abcdef"
CONTROLLER = "http://10.0.0.1:9993"
TOKEN = "the-controllers-token"


class World:
    """A machine with ZeroTier's service, and the controller of one network, each at its own address."""

    def __init__(self, routes: list[str] | None = None, *, central: bool = False) -> None:
        target = [{"target": each, "via": None} for each in routes or ["10.147.17.0/24"]]
        self.node = ZeroTierNode("aabbccddee", "own", networks=[{"id": NETWORK, "routes": target}])
        self.node.carry = lambda network, addresses: None  # type: ignore[method-assign]
        self.node.leave = lambda network: None  # type: ignore[method-assign]
        self.asked: list[str] = []
        self.session = FakeSession()
        self.session.put(TOKEN_FILE, "own\n", mode="0600")
        self.session.web = {SERVICE: self._local, CENTRAL if central else CONTROLLER: self._controller}
        self.central = central

    def _local(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, dict(request.headers), request.url.path)

    def _controller(self, request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        body = json.loads(request.content or b"null")
        self.asked.append(f"{request.method} {request.url.path} {json.dumps(body)}")
        if not self.central:
            right = headers.get("x-zt1-auth") == TOKEN
            return self._answer(request, {"x-zt1-auth": "own" if right else ""}, request.url.path)
        # Central holds the same below `config`, under another path, with another header (its OpenAPI text).
        if headers.get("authorization") != f"token {TOKEN}":
            return httpx.Response(403, json={})
        path = request.url.path.replace("/api/v1/network", "/controller/network")
        status, found = self.node.answer(request.method, path, {"x-zt1-auth": "own"}, (body or {}).get("config"))
        return httpx.Response(status, json={"config": found})

    def _answer(self, request: httpx.Request, headers: dict[str, str], path: str) -> httpx.Response:
        status, found = self.node.answer(request.method, path, headers, json.loads(request.content or b"null"))
        return httpx.Response(status, json=found)

    def members(self) -> dict[str, Any]:
        return self.node.networks[NETWORK]["members"]


def wish(**more: Any) -> OverlayMemberInputs:
    given = {"host": "box", "network": NETWORK, "token": TOKEN, "name": "bcn1", "controller": "10.0.0.1", **more}
    return OverlayMemberInputs.model_validate(given)


@pytest.mark.parametrize("central", [False, True])
async def test_a_machine_joins_is_let_in_with_its_address_and_leaves_without_a_trace(central: bool):
    world = World(central=central)
    inputs = wish(address="10.147.17.1", controller=None if central else "10.0.0.1")
    before = await overlay_member.observe(world.session, inputs)
    assert not before.present
    await overlay_member.apply(world.session, inputs, before)
    found = await overlay_member.observe(world.session, inputs)
    assert overlay_member.KIND.differences(inputs, found) == {}
    assert world.members()["aabbccddee"] == {
        "authorized": True,
        "ipAssignments": ["10.147.17.1"],
        "noAutoAssignIps": True,
    }
    await overlay_member.restore(world.session, inputs, before)
    assert world.members() == {}
    assert world.node.joined == {}
    # Its authorisation goes before it does: a deleted member that is authorised comes back with it.
    assert [line.split()[0] for line in world.asked][-2:] == ["POST", "DELETE"]


async def test_a_network_that_routes_a_lan_of_the_machines_is_not_joined():
    world = World(["10.147.17.0/24", "192.168.0.0/16"])
    with pytest.raises(InvalidInput, match="would cut it off") as caught:
        await overlay_member.apply(world.session, wish(lans=["192.168.1.0/24"]), OverlayMemberFacts(present=False))
    assert caught.value.detail == "192.168.0.0/16 covers 192.168.1.0/24"
    assert world.node.joined == {}
    assert world.members() == {}


async def test_a_wrong_token_and_an_unknown_network_are_told_before_anything_is_joined():
    world = World()
    with pytest.raises(ZeroTierError, match="does not accept the token") as caught:
        await overlay_member.apply(world.session, wish(token="wrong"), OverlayMemberFacts(present=False))
    assert "wrong" not in f"{caught.value}"
    with pytest.raises(ZeroTierError, match="has no network"):
        await overlay_member.apply(world.session, wish(network="f" * 16), OverlayMemberFacts(present=False))
    assert world.node.joined == {}


async def test_a_member_that_was_put_out_at_the_controller_is_drift_and_let_in_again():
    world = World()
    await overlay_member.apply(world.session, wish(), OverlayMemberFacts(present=False))
    world.members()["aabbccddee"]["authorized"] = False
    found = await overlay_member.observe(world.session, wish())
    assert overlay_member.KIND.differences(wish(), found)["joined"] == ("OK", "ACCESS_DENIED")
    await overlay_member.apply(world.session, wish(), found)
    assert overlay_member.KIND.differences(wish(), await overlay_member.observe(world.session, wish())) == {}


@pytest.mark.parametrize(
    ("routes", "lans", "found"),
    [
        (["10.0.0.0/8"], ["10.100.0.0/24"], ["10.0.0.0/8 covers 10.100.0.0/24"]),
        (["10.147.17.0/24"], ["10.100.0.0/24"], []),
        (["fd00::/8"], ["10.100.0.0/24"], []),
        (["0.0.0.0/0"], ["10.100.0.0/24"], []),
    ],
)
def test_routes_that_cover_a_lan(routes: list[str], lans: list[str], found: list[str]):
    assert covered(routes, lans) == found


def test_the_stand_in_ignores_values_of_the_wrong_type_and_members_that_never_appeared():
    node = ZeroTierNode("aabbccddee", "own", networks=[{"id": NETWORK, "routes": []}])
    path = f"/controller/network/{NETWORK}/member/1122334455"
    headers = {"x-zt1-auth": "own"}
    assert node.answer("POST", path, headers, {"authorized": True})[0] == 400
    node.appear(NETWORK, "1122334455")
    assert node.answer("POST", path, headers, {"authorized": "true"})[1]["authorized"] is False
    assert node.answer("POST", path, headers, {"authorized": True})[1]["authorized"] is True


def test_it_is_kept_off_lxds_networks_and_inner_bridges_and_not_off_the_bridge_that_leads_out():
    settings = Lxd.model_validate(
        {
            **GOOD,
            "bridges": {
                "br0": {"members": {"bcn1": {"nic": "eth0", "addresses": ["192.0.2.10/24"], "gateway": "192.0.2.1"}}},
                "br1": {"members": {"bcn1": {"nic": "eth1", "addresses": ["198.51.100.1/24"]}}},
            },
        }
    )
    content = json.loads(overlay.conf_of(settings, "bcn1"))
    assert content["settings"]["interfacePrefixBlacklist"] == sorted(["br1", *settings.networks])
    assert "198.51.100.0/24" in content["physical"]
    assert "192.0.2.0/24" not in content["physical"]


async def test_the_checks_of_the_overlay_fail_on_what_they_are_about():
    addresses = {"a": "10.147.17.1", "b": "10.147.17.2"}
    world = World()
    await overlay_member.apply(world.session, wish(address="10.147.17.1"), OverlayMemberFacts(present=False))
    session = world.session.on("python3", "")
    session.machine = "a"
    rows = await check_overlay(session, NETWORK, addresses)
    assert [row.status for row in rows] == [Status.PASS] * 3
    world.members()["aabbccddee"]["authorized"] = False
    session.on("python3", Completed(1, "", "no answer"))
    rows = await check_overlay(session, NETWORK, addresses)
    assert [row.status for row in rows] == [Status.PASS, Status.FAIL, Status.FAIL]
    session.files.clear()
    rows = await check_overlay(session, NETWORK, addresses)
    assert rows[0].status is Status.FAIL
