"""LXD's API as a kind asks it: over the daemon's socket on the machine of the session, with a deadline on every call.

A cluster that has lost its quorum does not refuse: it lets everybody wait. So no call is without a time limit, and an
answer that does not come is told with the members that can't be reached.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from providers.errors import CouldNotLook, HearthError, Untouched
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.machine.session import Session
from toolchain.lines import lines_in
from toolchain.waiting import as_it_is, wait_until_async

CLIENT = Path(__file__).with_name("client.py").read_text()
ANSWER_SECONDS = 15.0
"""Seconds in which the daemon answers a question; it is up to a minute slower only while it starts."""
WORK_SECONDS = 300.0
"""Seconds that an operation may take which makes or moves something."""
OFFLINE_SECONDS = 20.0
"""Seconds without a heartbeat after which the cluster calls a member offline, unless cluster.offline_threshold says
otherwise. The leader sends one in half that time, and notes them all when the last one was answered or given up."""
HEARTBEATS = 3
HEARD_PAUSE = 1.0
NOT_FOUND = 404  # HTTP status
SERVER_ERROR = 500  # HTTP status
# Without a quorum some calls are let wait, and some end so after ten seconds [run: LXD 5.0.2; Incus says cowsql].
_NO_LEADER = re.compile(r"no (available|known) .*leader", re.IGNORECASE)


class ApiError(HearthError):
    """LXD refused something; `status` is that of its answer."""

    def __init__(self, summary: str, *, status: int, detail: str = "", remedy: str = "") -> None:
        super().__init__(summary, detail=detail, remedy=remedy)
        self.status = status


class NotBegun(Untouched, ApiError):
    """LXD would refuse something, which was not asked of it."""


class NoAnswer(CouldNotLook):
    """LXD does not run there, or does not answer in time: nothing is known and nothing was changed by this call."""


@dataclass(frozen=True)
class Request:
    """One request. With `wait`, the operation that it begins is waited for, that many seconds."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    wait: float = 0
    timeout: float = ANSWER_SECONDS
    file: str | None = None
    """A file on the machine that is sent as it is, in place of a body."""


@dataclass(frozen=True)
class Answer:
    """What came back: an HTTP status as LXD gives it in its answer, and what it is about."""

    status: int
    metadata: Any
    error: str = ""
    failure: str = ""

    @property
    def found(self) -> dict[str, Any] | None:
        """The object that was asked for; None where there is none of that name."""
        return None if self.status == NOT_FOUND else cast(dict[str, Any], self.metadata)

    @property
    def listed(self) -> list[Any]:
        """The list that was asked for. An empty one is an empty list of LXD's, and null of Incus's [run]."""
        return cast(list[Any], self.metadata or [])


def _heard(answer: Answer) -> Answer:
    """Return an answer as what it is: that the database has no leader says as little as no answer in time."""
    lost = answer.status >= SERVER_ERROR and _NO_LEADER.search(answer.error)
    return replace(answer, failure="late") if lost else answer


def at(*words: str, **parameters: str | None) -> str:
    """Return the path of a thing in the API: `at("profiles", "default", target="bcn1")`."""
    path = "/".join(("/1.0", *(quote(word, safe="") for word in words)))
    given = "&".join(f"{key}={quote(value, safe='')}" for key, value in parameters.items() if value is not None)
    return f"{path}?{given}" if given else path


class Api:
    """The API of the daemon on a session's machine."""

    def __init__(self, session: Session, daemon: Daemon) -> None:
        self.session = session
        self.about = ABOUT[daemon]
        self.name = self.about.name

    async def ask(self, *requests: Request) -> list[Answer]:
        """Send requests one after another, in one round trip; whatever the answers are."""
        work = {
            "sockets": self.about.sockets,
            "requests": [
                {key: value for key, value in vars(request).items() if value is not None} for request in requests
            ],
        }
        limit = sum(request.timeout + request.wait + 5 for request in requests) + 10
        done = await self.session.run("python3", script=CLIENT, stdin=json.dumps(work), timeout=limit)
        return [_heard(Answer(**each)) for each in json.loads(done.stdout)]

    async def query(self, *requests: Request, missing_is_fine: bool = False) -> list[Answer]:
        """Return the same, where each must succeed. Raises ApiError or NoAnswer."""
        answers = await self.ask(*requests)
        for request, answer in zip(requests, answers, strict=False):
            if answer.failure:
                raise await self.no_answer(answer)
            if answer.status >= 400 and not (missing_is_fine and answer.status == NOT_FOUND):
                raise await self.refusal(request, answer)
        return answers

    async def get(self, *words: str, target: str | None = None) -> dict[str, Any] | None:
        """Return what a thing is; None where there is none of that name."""
        (answer,) = await self.query(Request("GET", at(*words, target=target)), missing_is_fine=True)
        return answer.found

    async def change(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, wait: float = WORK_SECONDS
    ) -> Any:
        """Change something and wait until it is done; the answer's object."""
        (answer,) = await self.query(Request(method, path, body, wait=wait, timeout=max(ANSWER_SECONDS, wait)))
        return answer.metadata

    async def delete(self, *words: str, **parameters: str | None) -> None:
        """Remove a thing; nothing there is fine."""
        request = Request("DELETE", at(*words, **parameters), wait=WORK_SECONDS, timeout=WORK_SECONDS)
        await self.query(request, missing_is_fine=True)

    async def members(self) -> list[dict[str, Any]]:
        """Return the members of the cluster, as LXD lists them."""
        (answer,) = await self.query(Request("GET", at("cluster", "members", recursion="1")))
        return answer.listed

    async def need_all_members(self, what: str) -> list[dict[str, Any]]:
        """Return the members, all of them online. Raises as `need_members` does."""
        return await self.need_members(what, None)

    async def need_members(self, what: str, names: Collection[str] | None) -> list[dict[str, Any]]:
        """Return the members, those of these names online (None: all of them), before anything is done.

        What the cluster knows of a member is as old as its last heartbeat: one that has just started is offline until
        the next. So members that answer at their addresses are waited for, three times the seconds after which the
        cluster calls one offline, and those that do not are not. Raises ApiError that names who is away.
        """

        def offline(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [each for each in _away(members) if names is None or each["server_name"] in names]

        members = await self.members()
        silent = offline(members)
        addresses = {str(each["url"]).removeprefix("https://"): each for each in silent}
        unreached = [addresses[each] for each in await self._unreached([*addresses])] if silent else []
        if silent and not unreached and all(each["status"] == "Offline" for each in silent):
            self.session.progress(f"{what} waits until the cluster has heard of {_named(silent)}, which answers again")
            seconds = HEARTBEATS * await self._offline_seconds()
            members = await wait_until_async(
                self.members, seconds, as_it_is, good=lambda found: not offline(found), pause=HEARD_PAUSE
            )
            silent = offline(members)
        if not silent:
            return members
        away = _named(unreached or silent)
        needs = "every member of the cluster" if names is None else " and ".join(sorted(names))
        raise NotBegun(
            f"{what} needs {needs}, and {away} can't be reached by the others, so nothing was changed",
            status=503,
            detail="\n".join(f"{each['server_name']}: {each['status']}, {each['message']}" for each in members),
            remedy=f"start {away} (systemctl start {self.about.start}) and run up again;"
            " a member that is gone for good: docs/systems/lxd.md, under recovery",
        )

    async def _offline_seconds(self) -> float:
        server = await self.get() or {}
        return float(server.get("config", {}).get("cluster.offline_threshold") or OFFLINE_SECONDS)

    async def refusal(self, request: Request, answer: Answer) -> ApiError:
        """Make the error for a request that was refused; it names no value that was sent, and the members away."""
        away = await self.offline() or await self.away() if answer.status >= SERVER_ERROR else []
        remedy = "put right what the line above names, then run up again: it goes on from there"
        if away:
            remedy = (
                f"{' and '.join(away)} can't be reached by the others, and this waits for that: start"
                f" {self.about.start} there, then run up again. Gone for good: docs/systems/lxd.md, under recovery"
            )
        return ApiError(
            f"{self.name} on {self.session.machine} refused `{request.method} {request.path}`",
            status=answer.status,
            detail=answer.error,
            remedy=remedy,
        )

    async def offline(self) -> list[str]:
        """Name the members that the others can't reach; none where the cluster does not say."""
        (answer,) = await self.ask(Request("GET", at("cluster", "members", recursion="1")))
        if answer.failure or answer.status >= 400:
            return []
        return sorted(each["server_name"] for each in _away(answer.listed))

    async def no_answer(self, answer: Answer) -> NoAnswer:
        """Return the error for no answer, with the members that can't be reached from there."""
        machine = self.session.machine
        if answer.failure == "absent":
            return NoAnswer(
                f"{self.name} does not run on {machine}, so nothing can be asked or changed there",
                detail=answer.error,
                remedy=f"systemctl status {self.about.start} on {machine} says why; systemctl start {self.about.start}",
            )
        away = await self.offline() or await self.away()
        if not away:
            return NoAnswer(
                f"{self.name} on {machine} did not answer in time",
                remedy=f"see there what it waits for (journalctl -u {self.about.start} -n 50), then run up again",
            )
        return NoAnswer(
            f"{self.name} on {machine} did not answer: {', '.join(away)} can't be reached,"
            " and what changes or asks the cluster waits for them. Instances go on running meanwhile",
            remedy=f"start {self.about.start} on {' and '.join(away)}; gone for good: docs/systems/lxd.md,"
            " under recovery",
        )

    async def away(self) -> list[str]:
        """Return the addresses of the members that keep the database and can't be reached from this one."""
        listed = await self.session.run(*self.about.database, check=False, timeout=20)
        addresses = addresses_in(listed.stdout)
        return await self._unreached(addresses) if addresses else []

    async def _unreached(self, addresses: list[str]) -> list[str]:
        """Return those of some addresses at which nobody takes a connection from this machine."""
        probe = await self.session.run("python3", script=_PROBE, stdin=json.dumps(addresses), check=False, timeout=60)
        return cast(list[str], json.loads(probe.stdout)) if probe.ok else []


def _away(members: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those members that the cluster does not hear of, or can't work with."""
    return [each for each in members if each["status"] not in ("Online", "Evacuated")]


def _named(members: Iterable[Mapping[str, Any]]) -> str:
    return " and ".join(sorted(each["server_name"] for each in members))


_PROBE = """
import json, socket, sys
away = []
for address in json.load(sys.stdin):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except OSError:
        away.append(address)
json.dump(away, sys.stdout)
"""


def addresses_in(table: str) -> list[str]:
    """Return the addresses in the table of `lxd cluster list-database`: one column within bars."""
    cells = [line.strip("| \n") for line in lines_in(table) if line.startswith("|")]
    return [cell for cell in cells if ":" in cell and " " not in cell]


def names_in(urls: Sequence[str]) -> list[str]:
    """Return the last words of URLs as LXD lists them: /1.0/profiles/default is `default`."""
    return [url.partition("?")[0].rpartition("/")[2] for url in urls]
