"""What a visitor with bad intentions, or a broken program, may send; and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import HOST, Application, Visitor
from todo_backend import todos

JSON = {"content-type": "application/json"}


def is_an_error(answer: Any, status: int) -> None:
    """Hold an answer to the one form that every error has, without anything of the inside."""
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    body = answer.json()
    assert body.keys() == {"detail", "fields"}
    assert body["detail"].endswith(".")
    for inside in ("Traceback", "sqlalchemy", "asyncpg", "pydantic", ".py"):
        assert inside not in answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "   \t "}, "title"),
        ({"title": None}, "title"),
        ({"title": 7}, "title"),
        ({"title": ["x"]}, "title"),
        ({"title": {"$ne": ""}}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "nul\x00"}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "\x1b[31m"}, "title"),
        ({"title": "x", "notes": "nul\x00"}, "notes"),
        ({"title": "x", "notes": "x" * 5001}, "notes"),
        ({"title": "x", "notes": 7}, "notes"),
        ({"title": "x", "due": "tomorrow"}, "due"),
        ({"title": "x", "due": "2026-02-30"}, "due"),
        ({"title": "x", "due": "2026-12-24T00:00:00"}, "due"),
        ({"title": "x", "due": "0001-01-01"}, "due"),
        ({"title": "x", "due": "9999-12-31"}, "due"),
        ({"title": "x", "due": "٢٠٢٦-١٢-٢٤"}, "due"),
        ({"title": "x", "due": 0}, "due"),
        ({"title": "x", "due": True}, "due"),
        ({"title": "x", "user_id": "someone"}, "user_id"),
        ({"title": "x", "position": 1}, "position"),
    ],
)
async def test_a_todo_that_can_not_be_kept_gets_a_message_beside_its_field(
    ada: Visitor, body: dict[str, Any], field: str
) -> None:
    answer = await ada.post("/todos", json=body)
    is_an_error(answer, 422)
    assert answer.json()["fields"].keys() == {field}
    assert await ada.titles() == []


@pytest.mark.parametrize("body", [{"title": ""}, {"title": None}, {"done": "yes"}, {"done": 1}, {"done": None}])
async def test_a_change_is_looked_at_as_closely_as_something_new(ada: Visitor, body: dict[str, Any]) -> None:
    made = await ada.add("Before")
    is_an_error(await ada.patch(f"/todos/{made['id']}", json=body), 422)
    assert (await ada.get("/todos")).json()["items"] == [made]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"NaN",
        b"\xff\xfe\x00",
        b'{"title": "\xff"}',
        b'{"title": "\\ud800"}',
        b'{"title": "x", "notes": "\\udfff"}',
        b"[" * 30_000,
        b'{"a":' * 10_000,
        b'{"title": ' + b"9" * 5000 + b"}",
        b'{"title": "x", "due": 1e999}',
        b'{"title": "x",}',
        b"<xml/>",
        b"title=x",
    ],
)
async def test_a_body_that_is_none_is_refused_with_422(ada: Visitor, content: bytes) -> None:
    is_an_error(await ada.post("/todos", content=content, headers=JSON), 422)
    assert await ada.titles() == []


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_a_body_that_a_form_of_another_site_could_send_is_refused_with_415(
    ada: Visitor, method: str, kind: str
) -> None:
    made = await ada.add("Before")
    address = "/todos" if method == "POST" else f"/todos/{made['id']}"
    is_an_error(await ada.request(method, address, content=b'{"title":"x"}', headers={"content-type": kind}), 415)
    assert await ada.titles() == ["Before"]


async def test_json_may_name_its_character_set(ada: Visitor) -> None:
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await ada.post("/todos", content=json.dumps({"title": "ä"}), headers=kind)).status_code == 201


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        f"http://{HOST}.evil.example",
        f"http://evil.example/{HOST}",
        f"http://{HOST}:8443",
        f"http://{HOST}@evil.example",
        "null",
        "",
        "file://",
        "http://[",
        "chrome-extension://abc",
    ],
)
async def test_what_a_page_of_another_site_sends_does_nothing(ada: Visitor, origin: str) -> None:
    headers = {"origin": origin}
    is_an_error(await ada.post("/todos", json={"title": "forged"}, headers=headers), 403)
    is_an_error(await ada.post("/auth/sign-out", headers=headers), 403)
    assert await ada.titles() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"http://{HOST}"},
        {"origin": f"HTTP://{HOST.upper()}"},
        {"origin": f"http://{HOST}:80"},
        {"origin": "https://outside.example", "x-forwarded-host": "outside.example"},
        {"origin": "https://todo.example:8443", "host": "todo.example:8443"},
        {"origin": f"https://{HOST}", "host": f"{HOST}:443"},
    ],
)
async def test_what_our_own_page_sends_is_done(ada: Visitor, headers: dict[str, str]) -> None:
    assert (await ada.post("/todos", json={"title": "mine"}, headers=headers)).status_code == 201


async def test_a_referer_counts_where_there_is_no_origin(ada: Visitor) -> None:
    del ada.client.headers["origin"]
    assert (await ada.post("/todos", json={"title": "x"}, headers={"referer": f"http://{HOST}/x"})).status_code == 201
    is_an_error(await ada.post("/todos", json={"title": "x"}, headers={"referer": "http://evil.example/"}), 403)
    # What is no browser sends neither, and carries no cookie of anybody's by accident.
    assert (await ada.post("/todos", json={"title": "x"})).status_code == 201


async def test_too_long_a_body_is_refused_with_413_whatever_its_header_says(ada: Visitor) -> None:
    too_long = b'{"title": "' + b"x" * 70_000 + b'"}'

    async def in_parts() -> Any:
        for start in range(0, len(too_long), 1000):
            yield too_long[start : start + 1000]

    is_an_error(await ada.post("/todos", content=too_long, headers=JSON), 413)
    is_an_error(await ada.post("/todos", content=in_parts(), headers=JSON), 413)
    is_an_error(await ada.post("/todos", content=b"{}", headers={**JSON, "content-length": "9" * 30}), 413)


@pytest.mark.parametrize("identity", ["x", "0", "-1", "1 OR 1=1", "%00", "..%2f..%2fhealth", "9" * 400, "%F0%9F%98%80"])
async def test_an_id_that_can_be_nobodys_is_not_found(ada: Visitor, identity: str) -> None:
    is_an_error(await ada.patch(f"/todos/{identity}", json={"title": "x"}), 404)
    is_an_error(await ada.delete(f"/todos/{identity}"), 404)
    is_an_error(await ada.post(f"/todos/{identity}/move", json={"after": None}), 404)


@pytest.mark.parametrize("after", ["x", 1, True, [], {}, "' OR 1=1"])
async def test_a_place_that_is_none_is_refused(ada: Visitor, after: Any) -> None:
    made = await ada.add("Before")
    is_an_error(await ada.post(f"/todos/{made['id']}/move", json={"after": after}), 422)
    is_an_error(await ada.post(f"/todos/{made['id']}/move", json={}), 422)


@pytest.mark.parametrize(
    "query",
    [
        "status=closed",
        "due=yesterday",
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1e3",
        "limit=" + "9" * 5000,
        "offset=-1",
        "offset=99999999999999999999",
        "q=%00",
        "q=" + "x" * 201,
        "today=now",
        "today=2026-13-01",
    ],
)
async def test_a_query_that_can_not_be_answered_is_refused_beside_its_name(ada: Visitor, query: str) -> None:
    answer = await ada.get(f"/todos?{query}")
    is_an_error(answer, 422)
    assert answer.json()["fields"].keys() == {query.partition("=")[0]}


@pytest.mark.parametrize("query", ["q=%FF%FE", "q=%25", "q=%5C", "q='", "unknown=1", "status=open&status=done", "q="])
async def test_an_odd_query_is_answered(ada: Visitor, query: str) -> None:
    assert (await ada.get(f"/todos?{query}")).status_code == 200


async def test_what_looks_like_a_program_is_kept_as_it_is(ada: Visitor) -> None:
    title = "<script>alert(1)</script> {{7*7}} ${HOME} %s \"'; -- \u202e \u200b"
    made = await ada.add(title, notes=title)
    assert (made["title"], made["notes"]) == (title, title)


async def test_addresses_and_methods_that_there_are_not_get_the_same_form_of_error(application: Application) -> None:
    visitor = application.visitor()
    for path in ("/none", "/todos/", "//todos", "/%2e%2e/", "/docs", "/openapi.json", "/todos/a/b/c"):
        is_an_error(await visitor.get(path), 404)
    is_an_error(await visitor.request("PUT", "/todos", json={}), 405)
    is_an_error(await visitor.request("DELETE", "/auth/me"), 405)
    is_an_error(await visitor.request("OPTIONS", "/todos"), 405)


async def test_every_answer_has_the_headers_that_protect_a_browser(ada: Visitor) -> None:
    answers = [
        await ada.get("/todos"),
        await ada.get("/none"),
        await ada.post("/todos", content=b"x", headers={"content-type": "text/plain"}),
        await ada.get("/health"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_mistake_of_ours_shows_a_number_and_nothing_else(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("canary-inside")

    monkeypatch.setattr(todos, "listed", broken)
    answer = await ada.get("/todos")
    is_an_error(answer, 500)
    assert answer.headers["x-request-id"] in answer.json()["detail"]
    assert "canary" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
