"""A visitor of the todo app through the ingress: signs up, asks a hundred times a second, counts what fails."""

from __future__ import annotations

import dataclasses
import http.client
import itertools
import json
import socket
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.lab.support import until

WORKERS = 20  # threads
SECONDS = 15.0
PASSWORD = "a-long-enough-password-for-anybody"


@dataclass(frozen=True)
class Visitor:
    """Somebody who has signed up."""

    address: str
    """`IP:port` of the ingress controller."""
    host: str
    cookie: str = ""
    tls: ssl.SSLContext | None = None
    """With it over HTTPS; `address` is then that of HTTPS."""

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str, http.client.HTTPMessage]:
        """Make one request on a connection of its own. Raises OSError or HTTPException where there is no answer."""
        connection = http.client.HTTPConnection(self.address, timeout=SECONDS)
        if self.tls is not None:
            plain = socket.create_connection((connection.host, connection.port), SECONDS)
            # The name is the pages' own, whatever the address.
            connection.sock = self.tls.wrap_socket(plain, server_hostname=self.host)
        headers = {"Host": self.host}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def status(self, path: str) -> int:
        """Return the status of an answer; 0 where there is none."""
        try:
            return self.ask("GET", path)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def environment(self) -> str:
        """Return what the pages say of themselves; where they say nothing of it, the status and the text."""
        try:
            status, text, _ = self.ask("GET", "/api/v1/health")
        except (OSError, http.client.HTTPException) as error:
            return f"0: {error}"
        return str(json.loads(text)["environment"]) if status == 200 else f"{status}: {text}"

    def signed_up(self, email: str) -> Visitor:
        """Ask the same, with an account.

        The ingress controller may learn of new pods seconds after they are ready.
        """
        for path, part in (("/api/v1/health/live", "backend"), ("/", "frontend")):
            until(lambda path=path: self.status(path) == 200, f"{self.host} leads to the {part}", 120)
        status, text, headers = self.ask("POST", "/api/v1/auth/register", {"email": email, "password": PASSWORD})
        assert status == 201, text
        return dataclasses.replace(self, cookie=headers["Set-Cookie"].partition(";")[0])

    def add(self, title: str) -> int:
        """Add a todo; the status code."""
        return self.ask("POST", "/api/v1/todos", {"title": title})[0]

    def titles(self) -> set[str]:
        """Return the titles of all todos."""
        found: list[str] = []
        while len(found) % 100 == 0:
            status, text, _ = self.ask("GET", f"/api/v1/todos?status=all&limit=100&offset={len(found)}")
            assert status == 200, text
            if not (items := json.loads(text)["items"]):
                break
            found += [item["title"] for item in items]
        return set(found)


@dataclass
class Load:
    """Requests at a steady rate while it is entered.

    They ask for the list nine times out of ten, for the page, and now and then for a new todo. One that was answered
    with 201 has to be there afterwards.
    """

    visitor: Visitor
    rate: int = 100
    only_list: bool = False
    right: int = 0
    wrong: list[str] = field(default_factory=list[str])
    added: set[str] = field(default_factory=set[str])
    times: list[float] = field(default_factory=list[float])
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Tells its todos from those of other loads."""

    def __enter__(self) -> Self:
        self._end = threading.Event()
        self._guard = threading.Lock()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        due = time.monotonic() + number / self.rate
        while not self._end.wait(max(0.0, due - time.monotonic())):
            self._one(next(self._numbers))
            # Behind by more than a second: the machine can't do it, and catching up in a burst would measure that.
            due = max(due + WORKERS / self.rate, time.monotonic() - 1)

    def _one(self, turn: int) -> None:
        method, path, body, wanted = "GET", "/api/v1/todos?limit=50", None, 200
        turn = 1 if self.only_list else turn
        if turn % 20 == 0:
            method, path, body, wanted = "POST", "/api/v1/todos", {"title": f"number {turn} of {self.name}"}, 201
        elif turn % 10 == 5:
            path = "/"
        begun = time.monotonic()
        try:
            status, text, _ = self.visitor.ask(method, path, body)
            told = "" if status == wanted else f"{method} {path}: {status} {text[:200]}"
        except (OSError, http.client.HTTPException) as error:
            told = f"{method} {path}: {type(error).__name__} {error}"
        with self._guard:
            if told:
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {told}")
                return
            self.right += 1
            self.times.append(time.monotonic() - begun)
            if body is not None:
                self.added.add(body["title"])

    @property
    def milliseconds(self) -> dict[str, float]:
        """Median and 99th percentile."""
        ordered = sorted(self.times) or [0.0]
        return {f"p{each}": round(ordered[int(len(ordered) * each / 100)] * 1000, 1) for each in (50, 99)}
