"""The checks of the LXD cluster: each row passes on what is right, and fails on what is not."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from checks.lxd import CHECKS
from checks.lxd.cluster import check_cluster, member_rows, profile_rows, whole_rows
from checks.lxd.instances import addresses_in, check_instances, instance_rows
from checks.lxd.machines import check_beside_docker, check_environment
from checks.lxd.names import check_names
from checks.result import CheckResult, Status
from components.lxd.beside_docker import PROGRAM
from components.lxd.deployed import DeployedCluster, DeployedDns, DeployedInstance
from providers.errors import ConnectionFailed
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession

INSTANCE = DeployedInstance(
    member="bcn1",
    type="container",
    running=True,
    profiles=["default"],
    limits={"limits.memory": "1GiB"},
    addresses={"lxdbr0": "10.100.0.11"},
)
OTHER = INSTANCE.model_copy(update={"member": "bcn2", "addresses": {"lxdbr0": "10.100.0.12"}})
DNS = DeployedDns(
    host="bcn1",
    address="10.0.0.1",
    domain="example.org",
    names={"ns1.example.org": ["10.0.0.1"]},
    wildcard=["10.0.0.9"],
    reverse={"10.0.0.9": "c1.example.org"},
)
CLUSTER = DeployedCluster(
    host="bcn1",
    daemon="lxd",
    members={"bcn1": "bcn1", "bcn2": "two"},
    pools=["default"],
    networks=["lxdbr0"],
    profiles=["default"],
    instances={"c1": INSTANCE, "c2": OTHER},
    environment={"path": "/etc/hearth.env", "owner": "root", "required": "DOMAIN"},
    dns=DNS,
)
FOUND: dict[str, Any] = {
    "name": "c1",
    "type": "container",
    "location": "bcn1",
    "status": "Running",
    "expanded_config": {"limits.memory": "1GiB"},
    "state": {"network": {"eth0": {"addresses": [{"address": "10.100.0.11", "scope": "global"}]}}},
}


def failed(rows: list[CheckResult]) -> list[str]:
    return [row.question for row in rows if row.status is Status.FAIL]


def members(**states: str) -> list[dict[str, Any]]:
    return [{"server_name": name, "status": state, "message": "m"} for name, state in states.items()]


def test_members_that_are_online_pass():
    assert failed(member_rows(CLUSTER, members(bcn1="Online", bcn2="Online"))) == []


@pytest.mark.parametrize(
    ("states", "question"),
    [
        ({"bcn1": "Online", "bcn2": "Offline"}, "the member bcn2 is online"),
        ({"bcn1": "Online", "bcn2": "Evacuated"}, "the member bcn2 is online"),
        ({"bcn1": "Online"}, "the member bcn2 is online"),
        ({"bcn1": "Online", "bcn2": "Online", "x": "Online"}, "the cluster has no other member"),
    ],
)
def test_a_member_that_is_away_missing_or_strange_fails(states: dict[str, str], question: str):
    rows = member_rows(CLUSTER, members(**states))
    assert failed(rows) == [question]


@pytest.mark.parametrize(
    "there",
    [
        [],
        [{"name": "default", "status": "Pending", "locations": ["bcn1", "bcn2"]}],
        [{"name": "default", "status": "Errored", "locations": ["bcn1", "bcn2"]}],
        [{"name": "default", "status": "Created", "locations": ["bcn1"]}],
        [{"name": "default", "status": "Created", "locations": None}],
    ],
)
def test_a_pool_that_is_not_whole_on_every_member_fails(there: list[dict[str, Any]]):
    assert failed(whole_rows("pool", ["default"], there, ["bcn1", "bcn2"])) == [
        "the pool default is whole on every member"
    ]


def test_a_pool_that_is_whole_passes():
    there = [{"name": "default", "status": "Created", "locations": ["bcn1", "bcn2"]}]
    assert failed(whole_rows("pool", ["default"], there, ["bcn1", "bcn2"])) == []


PROFILE = {"name": "default", "config": {"a": "1"}, "devices": {"root": {"pool": "default"}, "theirs": {"b": "2"}}}


@pytest.mark.parametrize(
    ("there", "question"),
    [
        ([PROFILE], None),
        ([], "the profile default is there"),
        ([{**PROFILE, "config": {"a": "2"}}], "the profile default is as configured"),
        ([{**PROFILE, "config": None}], "the profile default is as configured"),
        ([{**PROFILE, "devices": {"root": {"pool": "other"}}}], "the profile default is as configured"),
        ([{**PROFILE, "devices": {}}], "the profile default is as configured"),
    ],
)
def test_a_profile_that_is_not_there_or_not_as_configured_fails(there: list[dict[str, Any]], question: str | None):
    wanted = CLUSTER.model_copy(update={"profile_keys": {"default": {"a": "1", "device root pool": "default"}}})
    assert failed(profile_rows(wanted, there)) == ([] if question is None else [question])


def test_an_instance_as_it_is_to_be_passes():
    assert failed(instance_rows("c1", INSTANCE, FOUND)) == []


@pytest.mark.parametrize(
    ("change", "question"),
    [
        (None, "the instance c1 is there"),
        ({"location": "bcn2"}, "c1 is a container on bcn1"),
        ({"type": "virtual-machine"}, "c1 is a container on bcn1"),
        ({"status": "Stopped"}, "c1 is running"),
        ({"expanded_config": {"limits.memory": "2GiB"}}, "c1 has limits.memory 1GiB"),
        ({"expanded_config": {}}, "c1 has limits.memory 1GiB"),
        ({"state": {"network": {}}}, "c1 has 10.100.0.11 in lxdbr0"),
        ({"state": None}, "c1 has 10.100.0.11 in lxdbr0"),
    ],
)
def test_an_instance_that_is_another_fails(change: dict[str, Any] | None, question: str):
    found = None if change is None else {**FOUND, **change}
    assert failed(instance_rows("c1", INSTANCE, found)) == [question]


def test_an_instance_whose_member_is_away_fails_and_does_not_break_the_check():
    found = {"name": "c1", "type": "container", "location": "bcn1", "status": "Error", "config": None, "state": None}
    rows = instance_rows("c1", INSTANCE, found)
    assert failed(rows) == ["c1 is running", "c1 has limits.memory 1GiB", "c1 has 10.100.0.11 in lxdbr0"]


def test_addresses_of_loopback_and_link_do_not_count():
    link = {"address": "fe80::1", "scope": "link"}
    own = {"address": "10.0.0.1", "scope": "global"}
    state = {"network": {"lo": {"addresses": [own]}, "eth0": {"addresses": [link, own]}, "eth1": {"addresses": None}}}
    assert addresses_in(state) == ["10.0.0.1"]


async def test_a_cluster_that_does_not_answer_is_one_row_that_says_so():
    session = FakeSession().on("python3", json.dumps([{"status": 0, "metadata": None, "failure": "absent"}]))
    rows = await check_cluster(session, CLUSTER)
    assert failed(rows) == ["the cluster answers"]
    assert "does not run" in rows[0].reason


@pytest.mark.parametrize(
    ("answer", "expected", "seen"),
    [
        ({"status": 200, "metadata": {"metadata": {"return": 0}}}, [], "answers"),
        ({"status": 200, "metadata": {"metadata": {"return": 1}}}, ["c1 reaches c2", "c2 reaches c1"], "ended with 1"),
        ({"status": 200, "metadata": {"metadata": {"return": 127}}}, ["c1 reaches c2", "c2 reaches c1"], "no command"),
        ({"status": 400, "metadata": None, "error": "Command not found"}, ["c1 reaches c2", "c2 reaches c1"], "not f"),
        ({"status": 0, "metadata": None, "failure": "late"}, ["c1 reaches c2", "c2 reaches c1"], "in time"),
    ],
)
async def test_instances_that_do_not_reach_each_other_fail(answer: dict[str, Any], expected: list[str], seen: str):
    second = {
        **FOUND,
        "name": "c2",
        "location": "bcn2",
        "state": {"network": {"eth0": {"addresses": [{"address": "10.100.0.12", "scope": "global"}]}}},
    }
    asked: list[Any] = []

    def api(call: Call) -> str:
        (request,) = json.loads(call.stdin)["requests"]
        asked.append(request)
        if request["path"].endswith("/exec"):
            return json.dumps([answer])
        return json.dumps([{"status": 200, "metadata": [FOUND, second] if "instances" in request["path"] else []}])

    rows = await check_instances(FakeSession().on("python3", api).on("lxd cluster", ""), CLUSTER)
    assert failed(rows) == expected
    assert [each["body"]["command"][-1] for each in asked if each.get("body")] == ["10.100.0.12", "10.100.0.11"]
    assert all(seen in row.reason for row in rows if "reaches" in row.question)


async def test_a_cluster_without_instances_skips_with_the_reason():
    rows = await check_instances(FakeSession(), CLUSTER.model_copy(update={"instances": {}}))
    assert [row.status for row in rows] == [Status.SKIP]


@pytest.mark.parametrize(
    ("mode", "owner", "missing", "expected"),
    [
        ("0600", "root", "", []),
        ("0644", "root", "", ["box: only root may read it"]),
        ("0600", "ann", "", ["box: only root may read it"]),
        ("0600", "root", "DOMAIN\n", ["box: every required variable is there"]),
    ],
)
async def test_the_environment_file_is_its_owners_alone_and_whole(
    mode: str, owner: str, missing: str, expected: list[str]
):
    session = FakeSession().on("sh -c", missing)
    session.put("/etc/hearth.env", "x", mode=mode, owner=owner)
    assert failed(await check_environment(session, CLUSTER)) == expected


@pytest.mark.parametrize(("target", "holds"), [("/etc/hearth.env\n", True), ("/etc/theirs\n", False), (1, False)])
async def test_the_link_leads_to_the_environment_file(target: str | int, holds: bool):
    session = FakeSession().on("sh -c", "").on("readlink", target)
    session.put("/etc/hearth.env", "x", mode="0600", owner="root")
    wanted = CLUSTER.model_copy(update={"environment": {**CLUSTER.environment, "link": "/root/.env"}})
    question = "box: /root/.env leads to the environment file"
    assert failed(await check_environment(session, wanted)) == ([] if holds else [question])


async def test_a_missing_environment_file_fails():
    assert failed(await check_environment(FakeSession(), CLUSTER)) == ["box has its environment file"]


GOOD = [
    {"code": 0, "found": ["ns1.example.org"]},
    {"code": 0, "found": ["10.0.0.1"]},
    {"code": 0, "found": ["10.0.0.9"]},
    {"code": 0, "found": ["c1.example.org"]},
]


@pytest.mark.parametrize("wrong", [None, 0, 1, 2, 3])
@pytest.mark.parametrize(
    "answer",
    [{"code": 3, "found": []}, {"code": 0, "found": ["192.0.2.1"]}, {"code": -1, "found": [], "error": "late"}],
)
async def test_each_name_the_wildcard_and_the_way_back_can_fail(wrong: int | None, answer: dict[str, Any]):
    answers = list(GOOD)
    if wrong is not None:
        answers[wrong] = answer
    rows = await check_names(FakeSession().on("python3", json.dumps(answers)), DNS)
    assert len(rows) == 4
    assert failed(rows) == ([] if wrong is None else [rows[wrong].question])


async def test_a_machine_that_can_not_be_reached_is_one_row_that_fails_and_the_others_are_asked():
    away = ConnectionFailed("two can't be reached", remedy="start it")
    asked: list[str] = []

    async def on(machine: str, ask: Any) -> Any:
        asked.append(machine)
        if machine == "two":
            raise away
        return await ask(FakeSession(machine=machine).on("sh", "").on("python3", "[]").on(PROGRAM, ""))

    wanted = CLUSTER.model_copy(update={"dns": DNS.model_copy(update={"host": "two"}), "host": "two"})
    rows = await CHECKS.ask(SimpleNamespace(on=on), wanted)  # pyright: ignore[reportArgumentType]
    assert failed(list(rows)).count("the machine two can be reached") == 1
    assert asked == ["bcn1", "two", "bcn1"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Completed(0, "", ""), ""),
        (Completed(1, "", ""), "a rule of DOCKER-USER is missing"),
        (Completed(127, "", "No such file"), "can not be asked: No such file"),
    ],
)
async def test_what_docker_closes_fails(answer: Completed, told: str):
    session = FakeSession(machine="bcn1").on(f"{PROGRAM} held", answer)
    (row,) = await check_beside_docker(session)
    assert row.status is (Status.FAIL if told else Status.PASS)
    assert told in row.reason
