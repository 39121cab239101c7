"""What every answer has, and the pages for errors."""

from __future__ import annotations

from datetime import date

import pytest

from foundation import logs
from mail_assistant.about import SERVICE
from mail_assistant.api.dashboard import days_left
from tests.conftest import Visitor

PAGES = ("/", "/status", "/config", "/nothing-here", "/health", "/static/app.css")


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_has_the_security_headers_and_loads_nothing_from_elsewhere(
    visitor: Visitor, path: str
) -> None:
    answer = await visitor.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-request-id"]
    assert 'src="http' not in answer.text
    assert 'href="http' not in answer.text
    assert "style=" not in answer.text


async def test_htmx_comes_from_the_application_and_may_be_kept(visitor: Visitor) -> None:
    answer = await visitor.get("/static/htmx.min.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert (await visitor.get("/")).headers["cache-control"] == "no-store"
    assert (await visitor.get("/static/nothing.js")).status_code == 404


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = (await visitor.get("/")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


async def test_an_address_without_anything_gets_the_404_page(visitor: Visitor) -> None:
    answer = await visitor.get("/nothing-here<b>")
    assert answer.status_code == 404
    assert "Not found" in answer.text
    assert "Go to the dashboard" in answer.text
    assert "<b>" not in answer.text
    as_json = await visitor.get("/nothing-here", headers={"accept": "application/json"})
    assert as_json.json() == {"detail": "There is nothing at this address."}


async def test_a_wrong_method_gets_405_as_a_page(visitor: Visitor) -> None:
    answer = await visitor.client.delete("/config")
    assert (answer.status_code, "does not take DELETE" in answer.text) == (405, True)


async def test_an_error_of_ours_gets_the_500_page_without_a_trace_and_with_its_number(
    capsys: pytest.CaptureFixture[str], visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise RuntimeError("canary inside")

    logs.configure(SERVICE)
    monkeypatch.setattr(visitor.app.state.health, "in_time", broken)
    answer = await visitor.get("/health/ready", headers={"accept": "text/html"})
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    for inside in ("Traceback", "RuntimeError", "canary", ".py"):
        assert inside not in answer.text
    number = answer.headers["x-request-id"]
    assert number in answer.text
    assert f'"request": "{number}"' in capsys.readouterr().out
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (None, None),
        ("2026-11-21", "today"),
        ("2026-11-22", "in 1 day"),
        ("2026-12-24", "in 33 days"),
        ("2026-11-20", "1 day ago"),
        ("2025-11-21", "365 days ago"),
    ],
)
def test_the_distance_of_a_day_is_told_in_words(day: str | None, words: str | None) -> None:
    assert days_left(day, date(2026, 11, 21)) == words
