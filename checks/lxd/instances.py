"""Phase 3 of the task list: the base instances (38-1_test_base_vms and those beside it)."""

from __future__ import annotations

from typing import Any, cast

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd.deployed import DeployedCluster, DeployedInstance
from config.systems.lxd.rules import NAME_SERVER
from providers.errors import HearthError
from providers.kinds.lxd.api import Api, Request, at
from providers.kinds.lxd.daemons import Daemon
from providers.machine.session import Session

EXISTS = Story("38", Code.CONFIGURATION)
RUNS = Story("38", Code.NOT_RUNNING)
MAKE_UP = "Run `pulumi up --refresh`"
EXEC_SECONDS = 20.0
NO_COMMAND = 127
NAMES = Story("28", Code.NOT_RUNNING)
# By whatever the instance itself asks for names; of its own name its file of hosts may tell.
RESOLVE = """
command -v getent > /dev/null || exit 127
getent ahosts "$1" | cut -d ' ' -f 1 | grep -q -x -F "$2"
"""


async def check_instances(session: Session, deployed: DeployedCluster) -> list[CheckResult]:
    """Ask whether every instance is there, on its member, with its resources and addresses, and reaches the others."""
    if not deployed.instances:
        return [EXISTS.skipped("instances are there", "the settings have none")]
    api = Api(session, cast(Daemon, deployed.daemon))
    rows: list[CheckResult] = []
    try:
        (answer,) = await api.query(Request("GET", at("instances", recursion="2"), timeout=60))
    except HearthError as error:
        return [EXISTS.failed("instances can be listed", error.summary, error.remedy)]
    there: dict[str, dict[str, Any]] = {each["name"]: each for each in answer.listed}
    for name, wanted in deployed.instances.items():
        rows += instance_rows(name, wanted, there.get(name))
    rows += await _reach(api, deployed, there)
    return rows + await _resolve(api, deployed, there)


def instance_rows(name: str, wanted: DeployedInstance, found: dict[str, Any] | None) -> list[CheckResult]:
    """Return what an instance is, against what it is to be."""
    exists = f"the instance {name} is there"
    if found is None:
        return [EXISTS.failed(exists, "there is none of that name", MAKE_UP)]
    place = f"a {found['type']} on {found['location']}"
    right = found["type"] == wanted.type and found["location"] == wanted.member
    rows = [EXISTS.verdict(right, f"{name} is a {wanted.type} on {wanted.member}", place, MAKE_UP)]
    state = "Running" if wanted.running else "Stopped"
    rows.append(RUNS.verdict(found["status"] == state, f"{name} is {state.lower()}", found["status"], MAKE_UP))
    # Of an instance whose member is away LXD tells no more than its name and place.
    expanded: dict[str, str] = found.get("expanded_config") or {}
    for key, wish in wanted.limits.items():
        seen = f"{key} is {expanded.get(key, 'not set')}"
        rows.append(EXISTS.verdict(expanded.get(key) == wish, f"{name} has {key} {wish}", seen, MAKE_UP))
    if wanted.running:
        own = addresses_in(found.get("state") or {})
        for link, address in wanted.addresses.items():
            seen = f"it has {', '.join(own) or 'no address'}"
            rows.append(RUNS.verdict(address in own, f"{name} has {address} in {link}", seen, MAKE_UP))
    return rows


def addresses_in(state: dict[str, Any]) -> list[str]:
    """Return the addresses of an instance's state, but for those of its own loopback and link."""
    networks: dict[str, Any] = state.get("network") or {}
    return [
        each["address"]
        for name, network in networks.items()
        if name != "lo"
        for each in network["addresses"] or ()
        if each["scope"] == "global"
    ]


async def _reach(api: Api, deployed: DeployedCluster, there: dict[str, Any]) -> list[CheckResult]:
    """Ask whether each instance reaches the next one, in a circle: so every pair of members that has any is tried."""
    running = [name for name, each in deployed.instances.items() if name in there and each.running and each.addresses]
    if len(running) < 2:
        return [RUNS.skipped("instances reach each other", "there are no two that run with an address of their own")]
    rows: list[CheckResult] = []
    for name, other in zip(running, [*running[1:], running[0]], strict=True):
        shared = deployed.instances[name].addresses.keys() & deployed.instances[other].addresses.keys()
        question = f"{name} reaches {other}"
        if not shared:
            rows.append(RUNS.skipped(question, "they have no network together"))
            continue
        address = deployed.instances[other].addresses[sorted(shared)[0]]
        holds, seen = await _ping(api, name, address)
        remedy = "See whether the network reaches across members (`between-members`)"
        rows.append(RUNS.verdict(holds, question, seen, remedy))
    return rows


async def _resolve(api: Api, deployed: DeployedCluster, there: dict[str, Any]) -> list[CheckResult]:
    """Ask whether each instance that runs finds the zone by its own name servers: that of LXD's network leads there."""
    if deployed.dns is None:
        return []
    server, address = f"{NAME_SERVER}.{deployed.dns.domain}", deployed.dns.address
    rows: list[CheckResult] = []
    for name, wanted in deployed.instances.items():
        question = f"{name} finds {server} by its own name server"
        if name not in there or not wanted.running:
            continue
        if not wanted.name_servers:
            rows.append(NAMES.skipped(question, "no network of LXD's tells it of a name server"))
            continue
        status, seen = await _run(api, name, "sh", "-c", RESOLVE, "sh", server, address)
        if status == NO_COMMAND:
            rows.append(NAMES.skipped(question, f"{name} has no command getent"))
            continue
        seen = seen or (f"it is {address}" if status == 0 else f"it does not find {address}")
        remedy = f"See its /etc/resolv.conf; {MAKE_UP} where raw.dnsmasq of {wanted.name_servers[0]} was changed"
        rows.append(NAMES.verdict(status == 0, question, seen, remedy))
    return rows


async def _ping(api: Api, name: str, address: str) -> tuple[bool, str]:
    """Let an instance ping an address; whether it answered, and what was seen."""
    status, seen = await _run(api, name, "ping", "-c", "1", "-w", "10", address)
    if status == NO_COMMAND:
        return False, f"{name} has no command ping (package iputils-ping)"
    answer = "answers" if status == 0 else f"does not answer (ping ended with {status})"
    return status == 0, seen or f"{address} {answer}"


async def _run(api: Api, name: str, *command: str) -> tuple[int | None, str]:
    """Run a command in an instance: how it ended, and why where it could not be run.

    By the API, as LXD's own client lays a folder of its own into root's home.
    """
    body = {"command": list(command), "wait-for-websocket": False, "interactive": False}
    request = Request("POST", at("instances", name, "exec"), body, wait=EXEC_SECONDS)
    try:
        (answer,) = await api.query(request)
    except HearthError as error:
        return None, f"{error.summary} {error.detail}".strip()
    operation = cast(dict[str, Any], answer.metadata)
    return cast(dict[str, Any], operation.get("metadata") or {}).get("return"), ""
