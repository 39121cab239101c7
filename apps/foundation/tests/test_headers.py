"""What every answer carries, and how much a visitor may send."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from foundation.headers import LARGEST_BODY, AnswerHeaders, BodyLimit

POLICY = "default-src 'none'"


async def answered(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, with a header of its own."""
    own = [(b"cache-control", b"public"), (b"connection", b"keep-alive")]
    await send({"type": "http.response.start", "status": 200, "headers": own})
    await send({"type": "http.response.body", "body": b""})


async def headers_of(app: AnswerHeaders, kind: str = "http") -> dict[bytes, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": kind}, receive, send)
    return dict(sent[0]["headers"])


async def test_every_answer_has_the_policy_and_an_applications_own_header_stays() -> None:
    found = await headers_of(AnswerHeaders(answered, POLICY))
    assert found[b"content-security-policy"] == POLICY.encode()
    assert found[b"x-content-type-options"] == b"nosniff"
    assert found[b"cache-control"] == b"public"
    assert found[b"connection"] == b"keep-alive"


async def test_once_asked_to_stop_an_answer_ends_its_connection() -> None:
    assert (await headers_of(AnswerHeaders(answered, POLICY, lambda: True)))[b"connection"] == b"close"


async def test_what_is_no_request_passes_as_it_is() -> None:
    assert b"x-content-type-options" not in await headers_of(AnswerHeaders(answered, POLICY), "lifespan")


@pytest.mark.parametrize(
    ("parts", "refused"),
    [([LARGEST_BODY], False), ([LARGEST_BODY + 1], True), ([LARGEST_BODY, 0], False), ([LARGEST_BODY, 1], True)],
)
async def test_a_body_is_counted_as_it_comes_whatever_its_header_says(parts: list[int], refused: bool) -> None:
    waiting = [b"x" * size for size in parts]

    async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
        while waiting:
            await receive()

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0)}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "headers": [(b"content-length", b"1")]}
    if refused:
        with pytest.raises(HTTPException) as caught:
            await BodyLimit(reads_all)(scope, receive, send)
        assert (caught.value.status_code, "64 KiB" in caught.value.detail) == (413, True)
    else:
        await BodyLimit(reads_all)(scope, receive, send)
        assert waiting == []
