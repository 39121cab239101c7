"""A cluster without its quorum: it lets wait or answers with an error, and either says who is away and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors import HearthError
from providers.kinds.lxd import daemons, member, profile
from providers.kinds.lxd.api import Api, NoAnswer
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.providers.kinds.lxd.fake_daemon import server

LATE = {"status": 0, "metadata": None, "error": "", "failure": "late"}
# As LXD 5.0.2 said it on a machine of the lab after ten seconds; Incus' database is called cowsql.
DQLITE = "Failed to begin transaction: failed to create dqlite connection: no available dqlite leader server found"
COWSQL = DQLITE.replace("dqlite", "cowsql")
REFUSED = {"status": 500, "metadata": None, "error": DQLITE}
TABLE = "+---+\n| ADDRESS |\n| 10.0.0.1:8443 |\n| 10.0.0.2:8443 |\n"


def left(answer: dict[str, Any], first: dict[str, Any] | None = None) -> FakeSession:
    """Return the machine of a member that is left: it answers what it is by itself, and all else so."""

    def answers(call: Call) -> str:
        if b'"requests"' not in call.stdin:
            return '["10.0.0.1:8443"]'
        requests = json.loads(call.stdin)["requests"]
        return json.dumps([first if first and each["path"] == "/1.0" else answer for each in requests])

    made = FakeSession(machine="bcn2").on("python3", answers)
    return made.on("lxd cluster", TABLE).on("incus admin cluster", TABLE).on("/usr/libexec/incus/incusd", TABLE)


@pytest.mark.parametrize(
    ("software", "answer"),
    [
        ("lxd", LATE),
        ("lxd", REFUSED),
        ("incus", {**REFUSED, "error": COWSQL}),
        ("lxd", {**REFUSED, "error": "driver: no known leader"}),
    ],
)
async def test_an_error_names_who_is_away_what_waits_and_where_recovery_is_described(
    software: daemons.Daemon, answer: dict[str, Any]
):
    with pytest.raises(NoAnswer) as caught:
        await Api(left(answer), software).get("profiles", "default")
    assert "10.0.0.1:8443 can't be reached, and what changes or asks the cluster waits for them" in str(caught.value)
    assert "docs/systems/lxd.md, under recovery" in caught.value.remedy


async def test_a_look_is_no_error_and_names_who_is_away():
    facts = await profile.observe(left(REFUSED), profile.ProfileInputs(host="bcn2", name="default"))
    assert facts.present
    assert "10.0.0.1:8443 can't be reached" in facts.description


@pytest.mark.parametrize("answer", [LATE, REFUSED, {"status": 500, "metadata": None, "error": "another"}])
async def test_a_member_of_a_cluster_that_does_not_answer_is_none_that_is_gone(answer: dict[str, Any]):
    inputs = member.MemberInputs(host="bcn2", name="bcn2", address="10.0.0.2:8443", via="bcn1")
    facts = await member.observe(left(answer, server(clustered=True, name="bcn2")), inputs)
    assert (facts.present, facts.clustered, facts.state) == (True, True, "<the cluster does not answer>")


async def test_another_error_of_the_servers_own_names_who_is_away_too():
    session = left({"status": 500, "metadata": None, "error": "Failed to notify peer"})
    with pytest.raises(HearthError) as caught:
        await Api(session, "lxd").get("profiles", "default")
    assert "Failed to notify peer" in caught.value.detail
    assert "10.0.0.1:8443 can't be reached by the others, and this waits for that" in caught.value.remedy
