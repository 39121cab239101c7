"""The kinds of an LXD cluster against a daemon in memory: what is compared, kept, refused, and never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors import HearthError, InvalidInput
from providers.kinds.lxd import (
    cluster_group,
    everywhere,
    instance,
    joining,
    member,
    network,
    ours,
    profile,
    storage_pool,
)
from providers.kinds.lxd.api import Api, NoAnswer, addresses_in, at
from providers.kinds.lxd.instance import InstanceInputs, objection
from providers.machine.session import Completed
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.providers.kinds.fake_session import FakeSession
from tests.unit.providers.kinds.lxd.fake_daemon import (
    MEMBERS,
    NOTHING,
    SECRET,
    WISH,
    Daemon,
    box,
    first_member,
    joiner,
    ok,
    server,
)

# --- whose keys are whose ------------------------------------------------------------------------------------------


def test_keys_that_lxd_or_others_set_are_neither_compared_nor_changed():
    found = {"config": {"volatile.x": "1", "user.somebody": "2", "limits.cpu": "1"}}
    wished = ours.wished(found, {"limits.memory": "1GiB"})
    assert wished["config"]["volatile.x"] == "1"
    assert wished["config"]["user.somebody"] == "2"
    assert wished["config"]["limits.cpu"] == "1"


def test_a_key_of_ours_that_is_no_longer_wished_for_goes_and_is_a_difference():
    first = ours.wished({}, {"limits.cpu": "1", "limits.memory": "1GiB"})
    keys, _ = ours.marked(first["config"])
    assert ours.ours({"limits.cpu": "1"}, keys, first["config"]) == {"limits.cpu": "1", "limits.memory": "1GiB"}
    second = ours.wished(first, {"limits.cpu": "1"})
    assert "limits.memory" not in second["config"]


@pytest.mark.parametrize("note", ["", "{", "[]", "1", '{"config": 5}'])
def test_a_note_that_somebody_spoilt_counts_as_none(note: str):
    assert ours.marked({ours.MARK: note}) == (frozenset(), frozenset())


@pytest.mark.parametrize("key", ["volatile.eth0.hwaddr", "image.os", "user.hearth"])
def test_a_key_that_is_set_by_itself_can_not_be_wished_for(key: str):
    with pytest.raises(ValueError, match="set by itself"):
        profile.ProfileInputs(host="box", name="p", config={key: "x"})


# --- looked at, made, put back -------------------------------------------------------------------------------------


async def test_a_daemon_that_does_not_answer_is_a_difference_and_no_error():
    session = FakeSession().on("python3", json.dumps([{"status": 0, "metadata": None, "failure": "absent"}]))
    inputs = profile.ProfileInputs(host="box", name="p")
    facts = await profile.observe(session, inputs)
    assert facts.present
    assert "does not run" in facts.description
    assert "description" in profile.KIND.differences(inputs, facts)
    with pytest.raises(NoAnswer, match="does not run on box"):
        await profile.apply(session, inputs, facts)


async def test_no_quorum_names_the_members_that_are_away():
    session = FakeSession(machine="bcn2")
    session.on("python3", lambda call: '["10.0.0.1:8443"]' if b"requests" not in call.stdin else LATE)
    session.on("lxd cluster list-database", "+---+\n| ADDRESS |\n| 10.0.0.1:8443 |\n| 10.0.0.2:8443 |\n")
    with pytest.raises(NoAnswer, match=r"10\.0\.0\.1:8443 can't be reached"):
        await Api(session, "lxd").members()


LATE = json.dumps([{"status": 0, "metadata": None, "error": "", "failure": "late"}])


async def test_a_profile_that_was_there_gets_back_what_it_had():
    daemon = Daemon().on("GET /1.0/profiles/default", ok({"description": "", "config": {}, "devices": {"a": {}}}))
    inputs = profile.ProfileInputs(host="box", name="default", devices={"root": {"type": "disk"}})
    before = await profile.observe(box(daemon), inputs)
    await profile.restore(box(daemon), inputs, before)
    assert daemon.body("PUT /1.0/profiles/default") == {"description": "", "config": {}, "devices": {"a": {}}}


async def test_a_profile_that_is_used_stays_with_a_warning():
    found = {"description": "", "config": {}, "devices": {}, "used_by": ["/1.0/instances/web?project=default"]}
    daemon = Daemon().on("GET /1.0/profiles/p", ok(found))
    session = box(daemon)
    inputs = profile.ProfileInputs(host="box", name="p")
    await profile.restore(session, inputs, profile.ProfileFacts(present=False))
    assert daemon.changes() == []
    assert "instance web still use it" in session.messages[0]


async def test_a_pool_is_defined_on_each_member_and_then_made_whole():
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS))
    inputs = storage_pool.StoragePoolInputs(
        host="box", name="p", driver="dir", config={"rsync.bwlimit": "1"}, member_config={"b": {"source": "/srv/p"}}
    )
    await storage_pool.apply(box(daemon), inputs, storage_pool.StoragePoolFacts(present=False))
    assert daemon.changes() == [
        "POST /1.0/storage-pools?target=a",
        "POST /1.0/storage-pools?target=b",
        "POST /1.0/storage-pools",
    ]
    assert daemon.body("POST /1.0/storage-pools?target=b")["config"] == {"source": "/srv/p"}
    whole = next(each["body"] for each in daemon.asked if each["path"] == "/1.0/storage-pools")
    assert "source" not in whole["config"]
    assert whole["config"]["rsync.bwlimit"] == "1"


@pytest.mark.parametrize("status", ["Pending", "Errored", "Unknown"])
async def test_what_a_failed_try_left_is_removed_and_made_anew(status: str):
    found = {"status": status, "description": "", "config": {}, "managed": True, "type": "bridge", "used_by": []}
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS)).on("GET /1.0/networks/n", ok(found))
    inputs = network.NetworkInputs(host="box", name="n", config={"ipv4.address": "10.1.0.1/24"})
    facts = await network.observe(box(daemon), inputs)
    assert "description" in network.KIND.differences(inputs, facts)
    await network.apply(box(daemon), inputs, facts)
    assert daemon.changes()[0] == "DELETE /1.0/networks/n"
    assert daemon.changes()[-1] == "POST /1.0/networks"


async def test_what_is_half_made_and_used_is_left_alone():
    found = {"status": "Errored", "config": {}, "used_by": ["/1.0/instances/web"]}
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS)).on("GET /1.0/networks/n", ok(found))
    with pytest.raises(InvalidInput, match="used by instance web"):
        await everywhere.make(box(daemon), "lxd", "networks", "n", {"description": ""}, {}, {})
    assert daemon.changes() == []


async def test_with_a_member_away_nothing_is_begun_and_it_is_named():
    away = [MEMBERS[0], {**MEMBERS[1], "status": "Offline", "message": "No heartbeat for 30s"}]
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(away))
    daemon.closed = {"10.0.0.2:8443"}
    with pytest.raises(HearthError, match="b can't be reached") as caught:
        await everywhere.make(box(daemon), "lxd", "networks", "n", {"description": ""}, {}, {})
    assert daemon.changes() == []
    assert "systemctl start lxd.service" in caught.value.remedy


async def test_an_interface_of_the_machines_own_is_not_taken_for_a_network():
    daemon = Daemon().on("GET /1.0/networks/eth0", ok({"managed": False, "type": "physical"}))
    inputs = network.NetworkInputs(host="box", name="eth0")
    facts = await network.observe(box(daemon), inputs)
    with pytest.raises(InvalidInput, match="interface of the machine's own"):
        await network.apply(box(daemon), inputs, facts)
    assert daemon.changes() == []


async def test_members_of_a_group_are_compared_in_any_order():
    inputs = cluster_group.ClusterGroupInputs(host="box", name="g", members=["b", "a"])
    facts = cluster_group.ClusterGroupFacts(present=True, members=["a", "b"])
    assert cluster_group.KIND.differences(inputs, facts) == {}


# --- instances -----------------------------------------------------------------------------------------------------

FOUND: dict[str, Any] = {
    "type": "container",
    "location": "a",
    "description": "",
    "profiles": ["default"],
    "status": "Running",
    "architecture": "x86_64",
    "ephemeral": False,
    "stateful": False,
    "devices": {},
    "config": {"volatile.eth0.hwaddr": "00:16:3e:00:00:01", "image.os": "Debian"},
}


async def test_a_change_in_place_keeps_the_hardware_addresses_and_warns_of_the_first_boot():
    daemon = Daemon().on("GET /1.0/instances/web", ok(FOUND))
    session = box(daemon)
    config = {"user.user-data": "#cloud-config\n{}", "limits.memory": "1GiB"}
    inputs = InstanceInputs(host="box", name="web", image="debian", config=config)
    await instance.apply(session, inputs, await instance.observe(session, inputs))
    put = daemon.body("PUT /1.0/instances/web")
    assert put["config"]["volatile.eth0.hwaddr"] == "00:16:3e:00:00:01"
    assert put["config"]["limits.memory"] == "1GiB"
    assert daemon.changes() == ["PUT /1.0/instances/web"]
    assert any("read at the first boot only" in message for message in session.messages)


async def test_another_type_is_refused_and_nothing_is_touched():
    daemon = Daemon().on("GET /1.0/instances/web", ok(FOUND))
    inputs = InstanceInputs(host="box", name="web", image="debian", type="virtual-machine")
    with pytest.raises(InvalidInput, match="its disk would be lost"):
        await instance.apply(box(daemon), inputs, await instance.observe(box(daemon), inputs))
    assert daemon.changes() == []


@pytest.mark.parametrize(
    ("old", "wish", "said"),
    [
        ({"image": "debian", "type": "container"}, {}, ""),
        ({"image": "other", "type": "container"}, {}, "image from other to debian"),
        ({"image": "debian", "type": "virtual-machine"}, {}, "type from virtual-machine to container"),
        ({"image": "other"}, {"replace": True}, ""),
        ({}, {}, ""),
    ],
)
def test_a_preview_objects_to_what_would_make_an_instance_anew(old: dict[str, Any], wish: dict[str, Any], said: str):
    found = objection(old, InstanceInputs(host="box", name="web", image="debian", **wish))
    assert said in found
    assert bool(found) is bool(said)


def test_the_objection_reaches_pulumis_diff():
    verbs = Verbs(instance.KIND)
    inputs = {"host": "box", "name": "web", "image": "debian"}
    old, new = (verbs.desired.check(Properties({**inputs, **more}))[0] for more in ({}, {"image": "other"}))
    with pytest.raises(InvalidInput, match="made anew by a change of image from debian to other"):
        verbs.desired.refuse(old, new, verbs.desired.differences(old, new))
    verbs.desired.refuse(old, old, verbs.desired.differences(old, old))


async def test_an_instance_whose_data_is_kept_stays_and_is_named():
    daemon = Daemon().on("GET /1.0/instances/web", ok(FOUND))
    session = box(daemon)
    inputs = InstanceInputs(host="box", name="web", image="debian", keep_data=True)
    await instance.restore(session, inputs, instance.InstanceFacts(present=False))
    assert daemon.changes() == []
    assert "web stays" in session.messages[0]


async def test_an_instance_that_somebody_protected_is_not_deleted():
    guarded = {**FOUND, "config": {"security.protection.delete": "true"}}
    daemon = Daemon().on("GET /1.0/instances/web", ok(guarded))
    inputs = InstanceInputs(host="box", name="web", image="debian")
    with pytest.raises(InvalidInput, match="protected from deletion"):
        await instance.restore(box(daemon), inputs, instance.InstanceFacts(present=False))
    assert daemon.changes() == []


# --- joining -------------------------------------------------------------------------------------------------------


async def test_a_join_cleans_up_first_and_hands_the_token_over_on_stdin_alone():
    cluster = first_member()
    session = joiner(0, cluster)
    await member.apply(session, WISH, NOTHING)
    assert "DELETE /1.0/certificates/old" in cluster.changes()
    assert ("lxd cluster remove-raft-node --quiet 10.0.0.2:8443") in session.others["one"].lines()
    (preseed,) = [call for call in session.calls if call.line.startswith("lxd init")]
    assert joining.token_of({"secret": SECRET}) != ""
    assert b"cluster_token" in preseed.stdin
    assert not any(SECRET in line for line in session.lines() + session.messages)


async def test_a_join_that_fails_is_taken_back_tried_once_more_and_its_error_has_no_token():
    cluster = first_member()
    said = Completed(1, "", f"Error: something about {SECRET}\n")
    session = joiner(said, cluster)
    with pytest.raises(HearthError) as caught:
        await member.apply(session, WISH, NOTHING)
    assert SECRET not in str(caught.value)
    assert "something about [token]" in str(caught.value)
    assert cluster.changes().count("POST /1.0/cluster/members") == joining.TRIES
    assert cluster.changes().count("DELETE /1.0/operations/op-1") == joining.TRIES
    assert len([call for call in session.calls if call.script and "systemctl stop" in call.script]) == joining.TRIES


async def test_versions_that_differ_make_no_token():
    cluster = first_member().on("GET /1.0", server("5.21.1", clustered=True, name="a"))
    with pytest.raises(InvalidInput, match="versions differ") as caught:
        await member.apply(joiner(0, cluster), WISH, NOTHING)
    assert "one: lxd 5.21.1" in str(caught.value)
    assert cluster.changes() == []


async def test_clocks_that_are_apart_make_no_token():
    cluster = first_member()
    session = joiner(0, cluster)
    session.others["one"].on("date", "2000.0")
    with pytest.raises(InvalidInput, match="clocks are apart"):
        await member.apply(session, WISH, NOTHING)
    assert cluster.changes() == []


@pytest.mark.parametrize("group", ["storage-pools", "networks"])
async def test_while_a_pool_or_network_is_half_made_nobody_joins(group: str):
    broken = ok([{"name": "n", "managed": True, "status": "Errored"}])
    cluster = first_member().on(f"GET /1.0/{group}?recursion=1", broken)
    with pytest.raises(HearthError, match="half made"):
        await member.apply(joiner(0, cluster), WISH, NOTHING)
    assert "POST /1.0/cluster/members" not in cluster.changes()


async def test_a_daemon_that_is_in_use_is_not_made_a_member():
    own = Daemon().on("GET /1.0", server()).on("GET /1.0/instances", ok(["/1.0/instances/web"]))
    own.on("GET /1.0/storage-pools", ok([]))
    cluster = first_member()
    with pytest.raises(InvalidInput, match="in use"):
        await member.apply(joiner(0, cluster, own), WISH, NOTHING)
    assert cluster.changes() == []


async def test_a_name_that_the_cluster_has_already_is_refused():
    cluster = first_member().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS))
    with pytest.raises(InvalidInput, match="has a member 'b' already"):
        await member.apply(joiner(0, cluster), WISH, NOTHING)
    assert cluster.changes() == []


def test_a_path_of_the_api_is_quoted():
    assert at("profiles", "a/b?c", target="x&y") == "/1.0/profiles/a%2Fb%3Fc?target=x%26y"


def test_the_databases_addresses_are_read_from_their_table():
    table = "+----+\n| ADDRESS |\n+----+\n| 10.0.0.1:8443 |\n| [fd00::1]:8443 |\n+----+\n"
    assert addresses_in(table) == ["10.0.0.1:8443", "[fd00::1]:8443"]
