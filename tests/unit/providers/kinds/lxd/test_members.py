"""Members that the cluster does not hear of: those that answer at their addresses are waited for, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from providers.errors import HearthError
from providers.kinds.lxd import api, instance, member
from providers.kinds.lxd.api import Api
from providers.kinds.lxd.member import MemberFacts, MemberInputs
from providers.machine.session import Completed
from tests.unit.providers.kinds.lxd.fake_daemon import MEMBERS, Daemon, box, in_turn, ok, server

MISSING = {"status": 404, "metadata": None, "error": "not found"}
LIST = "GET /1.0/cluster/members?recursion=1"


def heard(*statuses: str) -> dict[str, Any]:
    """Return the cluster's list with these members' statuses."""
    return ok([{**each, "status": status} for each, status in zip(MEMBERS, statuses, strict=True)])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "HEARD_PAUSE", 0.0)


@pytest.mark.parametrize("before", [("Offline", "Online"), ("Online", "Offline"), ("Offline", "Offline")])
async def test_members_that_answer_at_their_addresses_are_waited_for(before: Sequence[str]):
    daemon = Daemon().on(LIST, in_turn(heard(*before), heard(*before), heard("Online", "Online")))
    session = box(daemon)
    members = await Api(session, "lxd").need_all_members("a change of p")
    assert [each["status"] for each in members] == ["Online", "Online"]
    (said,) = session.messages
    assert "a change of p waits until the cluster has heard of" in said


async def test_they_are_waited_for_three_times_the_seconds_that_the_cluster_itself_gives_them():
    about = {"config": {"cluster.offline_threshold": "0"}}  # less than LXD takes
    daemon = Daemon().on(LIST, heard("Online", "Offline")).on("GET /1.0", ok(about))
    with pytest.raises(HearthError, match="needs every member of the cluster, and b can't be reached"):
        await Api(box(daemon), "lxd").need_all_members("a change of p")


@pytest.mark.parametrize("gone", [("b", "10.0.0.2:8443"), ("a", "10.0.0.1:8443")])
async def test_one_that_does_not_answer_is_named_at_once_and_nobody_is_waited_for(gone: tuple[str, str]):
    daemon = Daemon().on(LIST, heard("Offline", "Offline"))
    daemon.closed = {gone[1]}
    session = box(daemon)
    with pytest.raises(HearthError, match=f"and {gone[0]} can't be reached by the others"):
        await Api(session, "lxd").need_all_members("a change of p")
    assert len(daemon.asked) == 1
    assert session.messages == []


async def test_one_that_is_blocked_is_not_waited_for():
    daemon = Daemon().on(LIST, heard("Online", "Blocked"))  # its version is another: no heartbeat changes that
    with pytest.raises(HearthError, match="b can't be reached"):
        await Api(box(daemon), "lxd").need_all_members("a change of p")


async def test_an_instance_needs_its_own_member_alone():
    daemon = Daemon().on(LIST, heard("Online", "Offline"))
    daemon.closed = {"10.0.0.2:8443"}
    daemon.on("GET /1.0/instances/web", in_turn(MISSING, ok({"status": "Running"})))
    inputs = instance.InstanceInputs(host="box", name="web", image="debian", member="a")
    await instance.apply(box(daemon), inputs, instance.InstanceFacts(present=False))
    assert daemon.changes() == ["POST /1.0/instances?target=a"]


async def test_an_instance_on_a_member_that_is_away_is_not_begun():
    daemon = Daemon().on(LIST, heard("Online", "Offline"))
    daemon.closed = {"10.0.0.2:8443"}
    inputs = instance.InstanceInputs(host="box", name="web", image="debian", member="b")
    with pytest.raises(HearthError, match="the instance web needs b, and b can't be reached by the others"):
        await instance.apply(box(daemon), inputs, instance.InstanceFacts(present=False))
    assert daemon.changes() == []


# --- a member that is offline, is drained, or was removed by force --------------------------------------------------

SECOND = MemberInputs(host="two", name="b", address="10.0.0.2:8443", via="one")


def second(status: str = "Online", *instances: str) -> Daemon:
    """Return the daemon of the member b, as the cluster sees it, with these instances on it and one on a."""
    placed = [{"name": name, "location": "b"} for name in instances]
    about = {"environment": {"server_clustered": True, "server_name": "b"}}
    return (
        Daemon()
        .on("GET /1.0", ok({**about, "config": {"core.https_address": SECOND.address}}))
        .on("GET /1.0/cluster/members/b", ok({**MEMBERS[1], "status": status}))
        .on(LIST, heard("Online", status))
        .on("GET /1.0/instances?recursion=1", ok([{"name": "other", "location": "a"}, *placed]))
    )


async def test_a_refresh_sees_a_member_offline_and_the_next_up_starts_it_and_waits_for_it():
    daemon = second("Offline")
    session = box(daemon, "two").on("systemctl", "")
    facts = await member.observe(session, SECOND)
    assert "state" in member.KIND.differences(SECOND, facts)
    statuses = in_turn(*(ok({**MEMBERS[1], "status": each}) for each in ("Offline", "Offline", "Online")))
    daemon.on("GET /1.0/cluster/members/b", statuses)
    await member.apply(session, SECOND, facts)
    assert "systemctl start lxd.service" in session.lines()
    assert daemon.changes() == []
    assert member.KIND.differences(SECOND, await member.observe(session, SECOND)) == {}


async def test_a_daemon_that_does_not_run_is_a_member_offline_and_none_that_is_gone():
    session = box(Daemon().on("GET /1.0", {"status": 0, "metadata": None, "failure": "absent"}), "two")
    session.on("systemctl is-active", Completed(3, "inactive\n", "")).put("/var/lib/lxd/database/local.db")
    facts = await member.observe(session, SECOND)
    assert (facts.present, facts.state) == (True, "Offline")


@pytest.mark.parametrize(
    ("instances", "first"),
    [((), []), (("web", "db"), ["POST /1.0/cluster/members/b/state"])],
)
async def test_a_member_is_drained_before_it_leaves_and_then_reset(instances: tuple[str, ...], first: list[str]):
    daemon = second("Online", *instances)
    session = box(daemon, "two").on("sh", "").on("systemctl", "")
    await member.restore(session, SECOND, MemberFacts(present=False))
    assert daemon.changes() == [*first, "DELETE /1.0/cluster/members/b"]
    if instances:
        assert daemon.body("POST /1.0/cluster/members/b/state") == {"action": "evacuate", "mode": "migrate"}
        assert "moving web, db away from b" in session.messages
    assert any("systemctl stop" in (call.script or "") for call in session.calls)


async def test_a_member_that_can_not_be_drained_stays_and_says_what_to_do():
    daemon = second("Online", "web")
    refused = {"status": 400, "metadata": None, "error": "No eligible target for instance web"}
    daemon.on("POST /1.0/cluster/members/b/state", refused)
    session = box(daemon, "two").on("sh", "").on("systemctl", "")
    with pytest.raises(HearthError) as caught:
        await member.restore(session, SECOND, MemberFacts(present=False))
    assert "No eligible target" in str(caught.value)
    assert "DELETE /1.0/cluster/members/b" not in daemon.changes()
    assert not any("systemctl stop" in (call.script or "") for call in session.calls)


NO_LEADER = {"status": 500, "metadata": None, "error": "no available dqlite leader server found"}


@pytest.mark.parametrize("answer", [NO_LEADER, ok(MEMBERS[:1])], ids=["the others let it in no more", "it still reads"])
async def test_a_member_that_others_removed_by_force_is_reset_fully(answer: dict[str, Any]):
    # It takes itself for a member still.
    daemon = second("Online", "web").on(LIST, answer)
    daemon.on("GET /1.0/cluster/members/b", NO_LEADER if answer is NO_LEADER else MISSING)
    session = box(daemon, "two").on("sh", "").on("systemctl", "").on("lxd cluster", "")
    await member.restore(session, SECOND, MemberFacts(present=False))
    assert daemon.changes() == []
    assert any("systemctl stop" in (call.script or "") for call in session.calls)


async def test_a_machine_that_is_a_member_of_another_cluster_by_now_is_left_alone():
    daemon = second().on("GET /1.0", server(clustered=True, name="x"))
    daemon.on(LIST, ok([{**MEMBERS[0], "server_name": "x"}])).on("GET /1.0/cluster/members/b", MISSING)
    daemon.on("DELETE /1.0/cluster/members/b", MISSING)
    session = box(daemon, "two").on("sh", "").on("systemctl", "")
    with pytest.raises(HearthError, match="b can't leave the cluster"):
        await member.restore(session, SECOND, MemberFacts(present=False))
    assert not any("systemctl stop" in (call.script or "") for call in session.calls)


async def test_where_it_is_allowed_an_instance_of_another_type_is_made_anew():
    found = {"type": "container", "location": "a", "status": "Stopped", "config": {}}
    daemon = Daemon().on(LIST, heard("Online", "Online"))
    daemon.on("GET /1.0/instances/web", in_turn(ok(found), ok(found), ok(found), MISSING))
    wanted = instance.InstanceInputs(host="box", name="web", image="debian", type="virtual-machine", replace=True)
    await instance.apply(box(daemon), wanted, instance.InstanceFacts(present=True))
    assert daemon.changes()[:2] == ["DELETE /1.0/instances/web", "POST /1.0/instances"]
    assert daemon.body("POST /1.0/instances")["type"] == "virtual-machine"
