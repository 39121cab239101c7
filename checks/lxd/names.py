"""Phase 4 of the task list: names (28_test_dns).

Asked by a client of DNS of the checks' own, over the network's port.
"""

from __future__ import annotations

import json

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd.deployed import DeployedDns
from providers.machine.session import Session

STORY = Story("28", Code.CONFIGURATION)
RUNS = Story("28", Code.NOT_RUNNING)
MAKE_UP = "Run `pulumi up --refresh`"
NOBODY = "hearth-nobody-has-this-name"
# A question of one record and its answers (RFC 1035, section 4), so that no package of tools is needed.
_ASK = r"""
import json, random, socket, struct, sys
server, questions = json.load(sys.stdin)
TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "AAAA": 28}
def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
def name_at(data, place):
    labels, end = [], None
    while data[place]:
        if data[place] & 0xC0:
            end = end or place + 2
            place = struct.unpack("!H", data[place:place + 2])[0] & 0x3FFF
        else:
            labels.append(data[place + 1:place + 1 + data[place]].decode())
            place += 1 + data[place]
    return ".".join(labels), end or place + 1
def ask(name, kind):
    number = random.randrange(65536)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.settimeout(3)
        head, tail = struct.pack("!6H", number, 0x0100, 1, 0, 0, 0), struct.pack("!2H", TYPES[kind], 1)
        link.sendto(head + encoded(name) + tail, (server, 53))
        data = link.recv(4096)
    code, count = data[3] & 15, struct.unpack("!H", data[6:8])[0]
    place, found = name_at(data, 12)[1] + 4, []
    for _ in range(count):
        place = name_at(data, place)[1]
        type_, _, _, size = struct.unpack("!2HIH", data[place:place + 10])
        place += 10
        if type_ == TYPES[kind]:
            if type_ == 1:
                found.append(socket.inet_ntop(socket.AF_INET, data[place:place + 4]))
            elif type_ == 28:
                found.append(socket.inet_ntop(socket.AF_INET6, data[place:place + 16]))
            else:
                found.append(name_at(data, place)[0])
        place += size
    return {"code": code, "found": sorted(found)}
answers = []
for name, kind in questions:
    for last in (False, False, True):
        try:
            answers.append(ask(name, kind))
            break
        except OSError as error:
            if last:
                answers.append({"code": -1, "found": [], "error": str(error) or "no answer"})
json.dump(answers, sys.stdout)
"""


def _kind(addresses: list[str]) -> str:
    return "AAAA" if addresses and ":" in addresses[0] else "A"


async def check_names(session: Session, dns: DeployedDns) -> list[CheckResult]:
    """Ask the server for its zone: each name, the wildcard, and the way back from each address."""
    from ipaddress import ip_address

    asked: list[tuple[str, str, str, list[str]]] = [
        ("the zone has a name server", dns.domain, "NS", [f"ns1.{dns.domain}"])
    ]
    for name, addresses in dns.names.items():
        for family in ("A", "AAAA"):
            own = sorted(each for each in addresses if (":" in each) == (family == "AAAA"))
            if own:
                asked.append((f"{name} leads to {', '.join(own)}", name, family, own))
    if dns.wildcard:
        name = f"{NOBODY}.{dns.domain}"
        asked.append(
            (f"*.{dns.domain} leads to {', '.join(dns.wildcard)}", name, _kind(dns.wildcard), sorted(dns.wildcard))
        )
    for address, name in dns.reverse.items():
        asked.append((f"{address} leads back to {name}", ip_address(address).reverse_pointer, "PTR", [name]))
    questions = [(name, kind) for _, name, kind, _ in asked]
    done = await session.run("python3", script=_ASK, stdin=json.dumps([dns.address, questions]), timeout=120)
    rows: list[CheckResult] = []
    for (question, _, _, wish), answer in zip(asked, json.loads(done.stdout), strict=True):
        if answer["code"] == -1:
            rows.append(RUNS.failed(question, f"{dns.address}: {answer['error']}", "See `systemctl status named`"))
            continue
        seen = ", ".join(answer["found"]) or f"no such record (answer {answer['code']})"
        rows.append(STORY.verdict(answer["found"] == wish, question, seen, MAKE_UP))
    return rows
