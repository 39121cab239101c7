"""The checks of ways: through a bridge to others, and from an instance to the names of the zone."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from checks.lxd.instances import RESOLVE, check_instances
from checks.lxd.machines import check_bridges
from checks.result import Status
from components.lxd import bridges, instances
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.systems.lxd.test_checks import CLUSTER, FOUND, INSTANCE
from tests.unit.systems.lxd.test_component import wished


def resolving(answer: dict[str, Any], asked: list[list[str]] | None = None) -> FakeSession:
    """Return the cluster's machine, whose instance answers so to a command in it."""

    def api(call: Call) -> str:
        (request,) = json.loads(call.stdin)["requests"]
        if request["path"].endswith("/exec"):
            if asked is not None:
                asked.append(request["body"]["command"])
            return json.dumps([answer])
        return json.dumps([{"status": 200, "metadata": [FOUND] if "instances" in request["path"] else []}])

    return FakeSession().on("python3", api).on("lxd cluster", "")


@pytest.mark.parametrize(
    ("answer", "status", "seen"),
    [
        ({"status": 200, "metadata": {"metadata": {"return": 0}}}, Status.PASS, "it is 10.0.0.1"),
        ({"status": 200, "metadata": {"metadata": {"return": 1}}}, Status.FAIL, "it does not find 10.0.0.1"),
        ({"status": 200, "metadata": {"metadata": {"return": 127}}}, Status.SKIP, "c1 has no command getent"),
        ({"status": 0, "metadata": None, "failure": "late"}, Status.FAIL, "did not answer in time"),
    ],
)
async def test_an_instance_that_does_not_find_the_zone_by_its_own_name_server_fails(
    answer: dict[str, Any], status: Status, seen: str
):
    asked: list[list[str]] = []
    one = INSTANCE.model_copy(update={"name_servers": ["lxdbr0"]})
    rows = await check_instances(resolving(answer, asked), CLUSTER.model_copy(update={"instances": {"c1": one}}))
    (row,) = [row for row in rows if row.question == "c1 finds ns1.example.org by its own name server"]
    assert row.status is status
    assert seen in row.reason
    assert asked[-1][-2:] == ["ns1.example.org", "10.0.0.1"]


async def test_an_instance_that_nobody_tells_of_a_name_server_is_skipped_with_the_reason():
    rows = await check_instances(resolving({}), CLUSTER.model_copy(update={"instances": {"c1": INSTANCE}}))
    (row,) = [row for row in rows if "by its own name server" in row.question]
    assert row.status is Status.SKIP
    assert "no network of LXD's tells it of a name server" in row.reason


@pytest.mark.parametrize(
    ("name", "address", "path", "status"),
    [
        ("localhost", "127.0.0.1", "/usr/bin:/bin", 0),
        ("localhost", "127.0.0.2", "/usr/bin:/bin", 1),
        ("localhost", "7.0.0.1", "/usr/bin:/bin", 1),
        ("localhost", "127.0.0.1", "/nowhere", 127),
    ],
)
def test_what_an_instance_is_asked_about_names_is_answered_by_the_real_getent(
    name: str, address: str, path: str, status: int
):
    words = ["/bin/sh", "-c", RESOLVE, "sh", name, address]
    assert subprocess.run(words, env={"PATH": path}, check=False).returncode == status


@pytest.mark.parametrize(("silent", "questions"), [("", []), ("192.0.2.1", ["box reaches 192.0.2.1 through br0"])])
async def test_who_is_to_answer_through_a_bridge_is_asked_by_it_and_a_silent_one_fails(
    silent: str, questions: list[str]
):
    asked: list[str] = []

    def echo(call: Call) -> Completed:
        asked.append(call.stdin.decode())
        return Completed(1 if silent and call.stdin.decode().startswith(f"{silent} ") else 0, "", "")

    session = FakeSession(machine="box").on("sh", "").on("python3", echo)
    answering = {"br0": ["192.0.2.1", "192.0.2.11"]}
    rows = await check_bridges(session, {"br0": ["eth0", "192.0.2.10/24"]}, answering)
    ways = [row for row in rows if "reaches" in row.question]
    assert [row.question for row in ways if row.status is Status.FAIL] == questions
    assert asked == ["192.0.2.1 br0", "192.0.2.11 br0"]


async def test_a_bridge_through_which_nobody_is_known_to_answer_is_skipped_with_the_reason():
    session = FakeSession(machine="box").on("sh", "")
    rows = await check_bridges(session, {"br0": ["eth0"]}, {})
    (row,) = [row for row in rows if row.status is Status.SKIP]
    assert row.question == "box reaches another through br0"
    assert "no gateway" in row.reason


def test_through_a_bridge_its_gateway_and_the_next_member_in_it_are_to_answer():
    members = {f"bcn{number}": {"nic": "eth1", "addresses": [f"192.0.2.{10 + number}/24"]} for number in range(1, 4)}
    members["bcn1"]["gateway"] = "192.0.2.1"
    members["bcn3"] = {"nic": "eth1", "dhcp": True}
    found = bridges.answering(wished(3, bridges={"br0": {"members": members}}))
    assert found == {
        "bcn1": {"br0": ["192.0.2.1", "192.0.2.12"]},
        "bcn2": {"br0": ["192.0.2.11"]},
        "bcn3": {"br0": []},
    }


@pytest.mark.parametrize(
    ("instance", "served"),
    [
        ({"addresses": {"lxdbr0": "10.100.0.11/24"}}, ["lxdbr0"]),
        ({}, ["lxdbr0"]),  # by the profile default
        ({"addresses": {"br0": None}}, []),  # in the place of what that profile gives
        ({"addresses": {"br0": None, "lxdbr0": None}}, ["lxdbr0"]),
        ({"profiles": []}, []),
        ({"addresses": {"quiet": None}}, []),
    ],
)
def test_an_instance_is_told_of_name_servers_by_the_networks_that_it_is_in(instance: dict[str, Any], served: list[str]):
    networks = {"lxdbr0": {"ipv4": "10.100.0.1/24"}, "quiet": {"ipv4": "10.101.0.1/24", "dhcp": False}}
    one = {"member": "bcn1", "type": "container", "image": "debian", **instance}
    port = {"bcn1": {"nic": "eth1"}}
    wanted = wished(1, networks=networks, bridges={"br0": {"members": port}}, instances={"c1": one})
    assert instances.name_servers_of(wanted, "c1") == served
