"""Phases 1 and 2 of the task list: SSH, the environment file, and the bridges of a machine."""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd import beside_docker
from components.lxd.deployed import DeployedCluster, DeployedSsh
from providers.errors import HearthError
from providers.kinds.lxd import link_echo
from providers.kinds.lxd.zerotier import assigned, service
from providers.machine.session import Session
from toolchain.lines import lines_in

ENVIRONMENT = Story("28", Code.CONFIGURATION)
SSH = Story("18", Code.CONFIGURATION)
BRIDGES = Story("18", Code.CONFIGURATION)
WAY = Story("18", Code.NOT_RUNNING)
FORWARDING = Story("18", Code.NOT_RUNNING)
OVERLAY = Story("18", Code.NOT_RUNNING)
MAKE_UP = "Run `make up` again"
REFRESH = "Run `pulumi up --refresh`"
SSH_SECONDS = 15
ECHO = Path(link_echo.__file__).read_text() + "\n\ntell()\n"
_NAMES = """
set -a
. "$(cat)"
for name in "$@"; do eval "[ -n \\"\\${$name:-}\\" ]" || echo "$name"; done
"""
# `ip -o` prints one line for each: number, link, family, address.
_BRIDGE = """
echo "master $(basename "$(readlink "/sys/class/net/$2/master" 2>/dev/null)")"
echo "address $(cat "/sys/class/net/$2/address" 2>/dev/null) $(cat "/sys/class/net/$1/address" 2>/dev/null)"
echo "state $(cat "/sys/class/net/$1/operstate" 2>/dev/null)"
ip -o addr show dev "$1" 2>/dev/null | awk '{ print "has " $4 }'
"""
_KEY = 'case $1 in "~/"*) key=$HOME/${1#"~/"} ;; *) key=$1 ;; esac; stat -c "%a" "$key" && ssh-keygen -l -f "$key"'


async def check_environment(session: Session, deployed: DeployedCluster) -> list[CheckResult]:
    """Ask whether the file is there, for its owner alone, with every required variable in it. No value is shown."""
    wanted, machine = deployed.environment, session.machine
    path = wanted["path"]
    stat = await session.stat(path)
    there = f"{machine} has its environment file"
    if stat is None:
        return [ENVIRONMENT.failed(there, f"there is no {path}", MAKE_UP)]
    found = [ENVIRONMENT.verdict(stat.type == "file", there, f"{path} is a {stat.type}", MAKE_UP)]
    alone = stat.mode == "0600" and stat.owner == wanted["owner"]
    seen = f"{path} is {stat.mode} of {stat.owner}"
    found.append(ENVIRONMENT.verdict(alone, f"{machine}: only {wanted['owner']} may read it", seen, MAKE_UP))
    if link := wanted.get("link"):
        done = await session.run("readlink", "--", link, check=False, timeout=20)
        target = done.stdout.rstrip("\n")
        seen = f"{link} leads to {target}" if done.ok else f"there is no link {link}"
        question = f"{machine}: {link} leads to the environment file"
        found.append(ENVIRONMENT.verdict(target == path, question, seen, REFRESH))
    required = wanted["required"].split()
    if required:
        # The names are ours, and checked to be names; `sh -c` takes them as arguments after its own.
        done = await session.run("sh", "-c", _NAMES, "sh", *required, stdin=path, check=False, timeout=20)
        missing = done.stdout.split() if done.ok else required
        seen = f"missing: {', '.join(missing)}" if missing else f"{', '.join(required)} are set"
        found.append(ENVIRONMENT.verdict(not missing, f"{machine}: every required variable is there", seen, MAKE_UP))
    return found


async def check_ssh(session: Session, ssh: DeployedSsh, member: str) -> list[CheckResult]:
    """Ask whether a machine has its key, and reaches each other one by every name, without a question."""
    machine = session.machine
    done = await session.run("sh", "-c", _KEY, "sh", ssh.key, user=ssh.user, check=False, timeout=SSH_SECONDS)
    mode = done.stdout.split()[:1]
    seen = " ".join((done.stdout or done.stderr).split())
    rows = [SSH.verdict(done.ok and mode == ["600"], f"{machine} has its key, for its user alone", seen, MAKE_UP)]
    for other, names in ssh.names.items():
        for name in names if other != member else ():
            question = f"{machine} reaches {other} as {name} over SSH"
            words = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", name, "true")
            try:
                done = await session.run(*words, user=ssh.user, check=False, timeout=SSH_SECONDS)
                holds, seen = done.ok, "it lets in" if done.ok else done.stderr.strip()[-200:]
            except HearthError as error:
                holds, seen = False, error.summary
            rows.append(SSH.verdict(holds, question, seen, "See that sshd runs there; else `pulumi up --refresh`"))
    return rows


async def check_overlay(session: Session, network: str, addresses: dict[str, str]) -> list[CheckResult]:
    """Ask whether ZeroTier runs, the machine is in the network, and it reaches the other members through it."""
    machine = session.machine
    runs = f"{machine} has ZeroTier, which answers"
    try:
        place = await service(session)
        status = None if place is None else await place.ask(session, "GET", "/status")
    except HearthError as error:
        return [OVERLAY.failed(runs, error.summary, error.remedy)]
    if place is None or status is None:
        return [OVERLAY.failed(runs, "it was never started", MAKE_UP)]
    rows = [OVERLAY.passed(runs, f"{status['version']}, {status['address']}")]
    found = await place.ask(session, "GET", f"/network/{network}") or {"status": "not joined"}
    own = addresses.get(machine)
    there = assigned(found)
    holds = found["status"] == "OK" and own in (None, *there)
    seen = f"{found['status']}, {', '.join(there) or 'no address'}"
    rows.append(OVERLAY.verdict(holds, f"{machine} is in the network {network}", seen, REFRESH))
    for other, address in addresses.items():
        if other != machine:
            holds, seen = await _echo(session, address)
            rows.append(OVERLAY.verdict(holds, f"{machine} reaches {other} through the overlay", seen, REFRESH))
    return rows


async def _echo(session: Session, address: str, by: str = "") -> tuple[bool, str]:
    """Ask an address for an echo, by a certain link; whether it answered, and what was seen."""
    done = await session.run("python3", script=ECHO, stdin=f"{address} {by}", check=False, timeout=20)
    return done.ok, f"{address} {'answers' if done.ok else 'is silent'}"


async def check_bridges(
    session: Session, bridges: dict[str, list[str]], answering: dict[str, list[str]]
) -> list[CheckResult]:
    """Ask whether each bridge has its interface, with that one's hardware address, and its own addresses.

    And whether what is to answer through it does.
    """
    rows: list[CheckResult] = []
    for name, (nic, *addresses) in bridges.items():
        done = await session.run("sh", "-c", _BRIDGE, "sh", name, nic, check=False, timeout=20)
        rows += bridge_rows(session.machine, name, nic, addresses, done.stdout)
        for address in answering.get(name, []):
            holds, seen = await _echo(session, address, name)
            rows.append(WAY.verdict(holds, f"{session.machine} reaches {address} through {name}", seen, MAKE_UP))
        if not answering.get(name):
            why = "the settings name no gateway there, and no address of another member's"
            rows.append(WAY.skipped(f"{session.machine} reaches another through {name}", why))
    return rows


def bridge_rows(machine: str, name: str, nic: str, addresses: list[str], said: str) -> list[CheckResult]:
    """Hold what a machine said of a bridge against what it is to be."""
    found: dict[str, list[str]] = {}
    for line in lines_in(said):
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).extend(rest.split())
    has = [str(ip_interface(each)) for each in found.get("has", [])]
    master = (found.get("master") or ["no bridge"])[0]
    rows = [BRIDGES.verdict(master == name, f"{machine}: {nic} is in {name}", f"it is in {master}", MAKE_UP)]
    own = found.get("address", [])
    same = len(own) == 2 and own[0] == own[1]
    seen = f"{nic} and {name}: {' and '.join(own) or 'not known'}"
    rows.append(BRIDGES.verdict(same, f"{machine}: {name} has the hardware address of {nic}", seen, MAKE_UP))
    for address in addresses:
        seen = f"it has {', '.join(has) or 'no address'}"
        rows.append(BRIDGES.verdict(address in has, f"{machine}: {name} has {address}", seen, MAKE_UP))
    state = (found.get("state") or ["not there"])[0]
    rows.append(
        BRIDGES.verdict(state in ("up", "unknown"), f"{machine}: {name} carries traffic", f"it is {state}", MAKE_UP)
    )
    return rows


async def check_beside_docker(session: Session) -> list[CheckResult]:
    """Ask whether Docker, where the machine has it, lets through what instances send."""
    done = await session.run(beside_docker.PROGRAM, "held", check=False, timeout=20)
    question = f"{session.machine}: Docker closes no way of the instances"
    seen = f"{beside_docker.PROGRAM} held ends with {done.status}: a rule of DOCKER-USER is missing"
    if done.status > 1:
        seen = f"{beside_docker.PROGRAM} can not be asked: {done.stderr.strip() or done.status}"
    return [FORWARDING.verdict(done.ok, question, seen, f"Run `systemctl restart {beside_docker.UNIT}` there")]
