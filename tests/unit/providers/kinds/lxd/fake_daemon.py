"""A daemon of LXD or Incus in memory: it answers from a table, and notes what it was asked."""

from __future__ import annotations

import json
from typing import Any

from providers.kinds.lxd import member
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession

SECRET = "5e4c8d1f-the-secret-of-a-token"


class Daemon:
    """Answers the client's requests from a table of `METHOD path`; what is not in it is not found.

    At the addresses of `closed` nobody takes a connection.
    """

    def __init__(self, **_: Any) -> None:
        self.closed: set[str] = set()
        self.answers: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []

    def on(self, request: str, answer: Any) -> Daemon:
        self.answers[request] = answer
        return self

    def __call__(self, call: Call) -> str:
        if b'"requests"' not in call.stdin:
            return json.dumps([each for each in json.loads(call.stdin or "[]") if each in self.closed])
        found: list[Any] = []
        for request in json.loads(call.stdin)["requests"]:
            self.asked.append(request)
            answer = self.answers.get(f"{request['method']} {request['path']}")
            if callable(answer):
                answer = answer()
            if answer is None and request["method"] != "GET":
                answer = {"status": 200, "metadata": {}}
            found.append(answer or {"status": 404, "metadata": None, "error": "not found"})
        return json.dumps(found)

    def changes(self) -> list[str]:
        return [f"{each['method']} {each['path']}" for each in self.asked if each["method"] != "GET"]

    def body(self, start: str) -> dict[str, Any]:
        return next(each["body"] for each in self.asked if f"{each['method']} {each['path']}".startswith(start))


def ok(metadata: Any) -> dict[str, Any]:
    return {"status": 200, "metadata": metadata}


def in_turn(*answers: dict[str, Any]) -> Any:
    """Return each answer once, and the last one from then on."""
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def box(daemon: Daemon, name: str = "box") -> FakeSession:
    return FakeSession(machine=name).on("python3", daemon)


MEMBERS = [
    {"server_name": "a", "status": "Online", "message": "", "url": "https://10.0.0.1:8443"},
    {"server_name": "b", "status": "Online", "message": "", "url": "https://10.0.0.2:8443"},
]


def server(version: str = "5.0.2", clustered: bool = False, name: str = "x") -> dict[str, Any]:
    return ok({"environment": {"server_version": version, "server_clustered": clustered, "server_name": name}})


def first_member() -> Daemon:
    operation = {
        "id": "op-1",
        "metadata": {"serverName": "b", "fingerprint": "f", "addresses": ["10.0.0.1:8443"], "secret": SECRET},
    }
    return (
        Daemon()
        .on("GET /1.0", server(clustered=True, name="a"))
        .on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS[:1]))
        .on("GET /1.0/certificates?recursion=1", ok([{"type": "server", "name": "b", "fingerprint": "old"}]))
        .on("GET /1.0/storage-pools?recursion=1", ok([{"name": "default", "status": "Created"}]))
        .on("GET /1.0/networks?recursion=1", ok([{"name": "eth0", "managed": False, "status": ""}]))
        .on("GET /1.0/cluster/members/b", ok(MEMBERS[1]))
        .on("POST /1.0/cluster/members", {"status": 100, "metadata": operation})
    )


def joiner(preseed: Completed | int, cluster: Daemon, own: Daemon | None = None) -> FakeSession:
    there = box(cluster, "one").on("date", "1000.0").on("lxd cluster", "")
    own = own or Daemon().on("GET /1.0", server()).on("GET /1.0/instances", ok([])).on("GET /1.0/storage-pools", ok([]))
    session = box(own, "two").on("date", "1000.0").on("lxd init", preseed).on("sh", "").on("systemctl", "")
    session.others["one"] = there
    return session


WISH = member.MemberInputs(host="two", name="b", address="10.0.0.2:8443", via="one")
NOTHING = member.MemberFacts(present=False)
