"""Phase 3 of the task list: the cluster and its profiles (18_test_lxd_cluster, 28_test_lxd_profiles)."""

from __future__ import annotations

from typing import Any, cast

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd.deployed import DeployedCluster
from components.lxd.profiles import flat
from providers.errors import HearthError
from providers.kinds.lxd.api import Api, Request, at
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.machine.session import Session

CLUSTER = Story("18", Code.CLUSTER)
PARTS = Story("18", Code.CONFIGURATION)
PROFILES = Story("28", Code.CONFIGURATION)
MAKE_UP = "Run `make up` again"
REFRESH = "Run `pulumi up --refresh`"


async def check_cluster(session: Session, deployed: DeployedCluster) -> list[CheckResult]:
    """Ask whether the cluster answers, with every member in it and online at one version.

    Pools, networks and profiles are whole.
    """
    api = Api(session, cast(Daemon, deployed.daemon))
    answers = "the cluster answers"
    try:
        server, members, pools, networks, profiles = await api.query(
            Request("GET", "/1.0"),
            *(
                Request("GET", at(*words, recursion="1"))
                for words in (("cluster", "members"), ("storage-pools",), ("networks",), ("profiles",))
            ),
        )
    except HearthError as error:
        return [CLUSTER.failed(answers, error.summary, error.remedy)]
    version = server.metadata["environment"]["server_version"]
    found = [CLUSTER.passed(answers, f"{api.name} {version} on {session.machine}")]
    found += member_rows(deployed, members.listed)
    found += whole_rows("pool", deployed.pools, pools.listed, list(deployed.members))
    found += whole_rows("network", deployed.networks, networks.listed, list(deployed.members))
    return found + profile_rows(deployed, profiles.listed)


def profile_rows(deployed: DeployedCluster, profiles: list[dict[str, Any]]) -> list[CheckResult]:
    """Return two rows for each profile: it is there, and every key that was wished for has its value."""
    there = {each["name"]: each for each in profiles}
    rows: list[CheckResult] = []
    for name in deployed.profiles:
        seen = "it is there" if name in there else f"there are {', '.join(sorted(there))}"
        rows.append(PROFILES.verdict(name in there, f"the profile {name} is there", seen, MAKE_UP))
        wish = deployed.profile_keys.get(name, {})
        if name not in there or not wish:
            continue
        own = flat(there[name].get("config") or {}, there[name].get("devices") or {})
        wrong = [f"{key} is {own.get(key, 'not set')}" for key, value in wish.items() if own.get(key) != value]
        seen = "; ".join(wrong) or f"{', '.join(wish)} are as wished for"
        rows.append(PROFILES.verdict(not wrong, f"the profile {name} is as configured", seen, REFRESH))
    return rows


def member_rows(deployed: DeployedCluster, members: list[dict[str, Any]]) -> list[CheckResult]:
    """Return a row for each member that was wished for, and one for those that nobody wished for."""
    states = {each["server_name"]: each for each in members}
    rows: list[CheckResult] = []
    for name, machine in deployed.members.items():
        state = states.get(name, {"status": "not in the cluster", "message": ""})
        seen = f"{state['status'].upper()} {state['message']}".strip()
        remedy = f"See `systemctl status {ABOUT[cast(Daemon, deployed.daemon)].start}` on {machine}"
        rows.append(CLUSTER.verdict(state["status"] == "Online", f"the member {name} is online", seen, remedy))
    if strange := sorted(states.keys() - deployed.members.keys()):
        remedy = "Add them to the settings, or take them out of the cluster"
        rows.append(CLUSTER.failed("the cluster has no other member", ", ".join(strange), remedy))
    return rows


def whole_rows(kind: str, names: list[str], there: list[dict[str, Any]], members: list[str]) -> list[CheckResult]:
    """Return a row for each pool or network: made, on every member."""
    known = {each["name"]: each for each in there}
    rows: list[CheckResult] = []
    for name in names:
        found = known.get(name, {"status": "not there", "locations": []})
        away = sorted(set(members) - set(found["locations"] or ()))
        seen = f"{found['status']}, on {', '.join(sorted(found['locations'] or ())) or 'no member'}"
        holds = found["status"] == "Created" and not away
        rows.append(PARTS.verdict(holds, f"the {kind} {name} is whole on every member", seen, MAKE_UP))
    return rows
