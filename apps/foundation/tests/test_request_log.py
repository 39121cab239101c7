"""One line for each request, and the number by which to find it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from foundation import logs
from foundation.request_log import RequestLog


async def visit(
    app: Any, path: str, *, given: str = "", level: str = "INFO", often: tuple[str, ...] = ()
) -> dict[bytes, bytes]:
    """Return the headers of the answer."""
    logs.configure("some-service", level)
    found: dict[bytes, bytes] = {}

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        found.update(message.get("headers", []))

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"token=canary",
        "headers": [(b"x-request-id", given.encode()), (b"authorization", b"canary")],
    }
    await RequestLog(app, often=often)(scope, receive, send)
    return found


def answering(status: int) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logs.get_logger().info("inside")
        await send({"type": "http.response.start", "status": status, "headers": []})

    return app


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_request_is_logged_without_its_query_and_headers_under_one_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    headers = await visit(answering(200), "/page")
    inside, request = lines(capsys)
    assert inside["request"] == request["request"] == headers[b"x-request-id"].decode()
    assert (request["method"], request["path"], request["status"]) == ("GET", "/page", 200)
    assert "canary" not in str(request)


@pytest.mark.parametrize(
    ("given", "kept"), [("from-a-proxy-1", True), ("short", False), ("x" * 65, False), ("a b\n" * 4, False)]
)
async def test_a_number_that_a_proxy_gave_is_kept_if_it_is_one(given: str, kept: bool) -> None:
    found = (await visit(answering(200), "/", given=given))[b"x-request-id"].decode()
    assert (found == given) == kept


async def test_what_is_asked_often_is_logged_only_where_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    await visit(answering(200), "/health", often=("/health",))
    await visit(answering(503), "/health/ready", often=("/health",))
    assert [line["status"] for line in lines(capsys) if line["event"] == "request"] == [503]
    await visit(answering(200), "/health", level="DEBUG", often=("/health",))
    assert [line["status"] for line in lines(capsys) if line["event"] == "request"] == [200]


async def test_a_request_that_breaks_is_logged_as_500(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await visit(broken, "/")
    assert [line["status"] for line in lines(capsys)] == [500]
