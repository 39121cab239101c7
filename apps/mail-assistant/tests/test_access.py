"""The password: who is asked for it, what it opens, and how fast it can be guessed."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from mail_assistant.access import COOKIE, MOST_WAITING, PAUSE_SECONDS, SIGNED_IN_SECONDS, Access, place
from mail_assistant.config import Settings
from tests.conftest import Visitor, serving

PASSWORD = "several wörds: here"
PROTECTED = (
    "/",
    "/status",
    "/config",
    "/health/fragment",
    "/draft",
    "/nothing-here",
    "/Health",
    "/health/../config",
    "//health",
)


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
async def guarded(chosen: Settings) -> AsyncIterator[Visitor]:
    async with serving(chosen.model_copy(update={"access_password": SecretStr(PASSWORD)})) as made:
        yield made


async def sign_in(visitor: Visitor, password: str = PASSWORD, following: str = "/") -> httpx.Response:
    page = (await visitor.get(f"/sign-in?next={following}")).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    data = {"csrf_token": token, "password": password, "next": following}
    return await visitor.client.post("/sign-in", data=data)


@pytest.mark.parametrize("path", PROTECTED)
async def test_without_the_password_no_page_is_shown(guarded: Visitor, path: str) -> None:
    for_browser = await guarded.get(path)
    assert for_browser.status_code == 303
    assert for_browser.headers["location"].startswith("/sign-in")
    for_program = await guarded.get(path, headers={"accept": "application/json"})
    assert for_program.status_code == 401
    assert for_program.headers["www-authenticate"].startswith("Basic")
    for_htmx = await guarded.get(path, headers={"HX-Request": "true"})
    assert (for_htmx.status_code, for_htmx.headers["HX-Redirect"], for_htmx.text) == (401, "/sign-in", "")


@pytest.mark.parametrize("path", ["/config", "/config/test/llm", "/config/test/db", "/draft", "/sign-out"])
async def test_without_the_password_nothing_can_be_done(guarded: Visitor, path: str) -> None:
    answer = await guarded.client.post(path, data={"event_name": "x"}, headers={"accept": "*/*"})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/static/app.css", "/sign-in"])
async def test_probes_and_the_page_for_signing_in_are_open(guarded: Visitor, path: str) -> None:
    assert (await guarded.get(path)).status_code == 200


async def test_who_gives_it_goes_on_to_the_page_that_was_asked_for_and_stays_signed_in(guarded: Visitor) -> None:
    led = (await guarded.get("/config")).headers["location"]
    assert led == "/sign-in?next=/config"
    answer = await sign_in(guarded, following="/config")
    assert (answer.status_code, answer.headers["location"]) == (303, "/config")
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(COOKIE)).lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"max-age={SIGNED_IN_SECONDS}" in cookie
    assert (await guarded.get("/config")).status_code == 200
    assert (await guarded.get("/sign-in")).headers["location"] == "/"
    assert (await guarded.post("/config", {"event_name": "x"})).status_code == 303


async def test_a_wrong_password_is_told_so_and_opens_nothing(guarded: Visitor) -> None:
    for wrong in ("", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), "ü"):
        answer = await sign_in(guarded, wrong)
        assert (answer.status_code, "not the password" in answer.text) == (403, True)
        assert not wrong or wrong not in answer.text
    assert (await guarded.get("/config")).status_code == 303


async def test_who_signs_out_has_to_give_it_again(guarded: Visitor) -> None:
    await sign_in(guarded)
    assert "Sign out" in (await guarded.get("/")).text
    assert (await guarded.post("/sign-out")).headers["location"] == "/sign-in"
    assert (await guarded.get("/config")).status_code == 303


async def test_a_form_of_another_site_signs_nobody_in_or_out(guarded: Visitor) -> None:
    assert (await guarded.client.post("/sign-in", data={"password": PASSWORD})).status_code == 403
    await sign_in(guarded)
    assert (await guarded.client.post("/sign-out")).status_code == 403
    assert (await guarded.get("/config")).status_code == 200


async def test_a_program_sends_it_with_each_request(guarded: Visitor) -> None:
    assert (await guarded.get("/config", headers=basic(PASSWORD))).status_code == 200
    for wrong in (
        basic("wrong"),
        basic(""),
        {"authorization": "Basic"},
        {"authorization": "Basic %%%"},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"authorization": f"Bearer {PASSWORD[:7]}"},
        {"authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode()},
    ):
        answer = await guarded.get("/config", headers={"accept": "*/*", **wrong})
        assert answer.status_code == 401, wrong


@pytest.mark.parametrize(
    "given",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/a/../b", "/a?b=c", "evil", "", "/a\n"],
)
def test_after_signing_in_nobody_is_led_elsewhere(given: str) -> None:
    assert place(given) == "/"
    assert place("/config") == "/config"


def test_a_cookie_that_is_not_ours_or_is_over_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(SecretStr(PASSWORD), SecretStr("a key"))
    good = access.cookie()
    assert access.is_signed_in({COOKIE: good})
    expires, number, signature = good.split(".")
    later = str(int(expires) + 1)
    for wrong in (
        "",
        good[:-1],
        good + "0",
        f"{later}.{number}.{signature}",
        f"{expires}.{number[::-1]}.{signature}",
        f"{expires}.{number}.{'0' * 64}",
        f"{expires}.{number}",
        "٣.a.b",
        Access(SecretStr("another password"), SecretStr("a key")).cookie(),
        Access(SecretStr(PASSWORD), SecretStr("another key")).cookie(),
    ):
        assert not access.is_signed_in({COOKIE: wrong}), wrong
    then = time.time() + SIGNED_IN_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: then)
    assert not access.is_signed_in({COOKIE: good})


async def test_passwords_are_tried_one_after_the_other_and_too_many_are_sent_away_unread() -> None:
    access = Access(SecretStr(PASSWORD), SecretStr("a key"))
    started = time.monotonic()
    tries = [access.is_right("wrong") for _ in range(MOST_WAITING)] + [access.is_right(PASSWORD) for _ in range(5)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert time.monotonic() - started >= MOST_WAITING * PAUSE_SECONDS * 0.9
    assert found[:MOST_WAITING] == [False] * MOST_WAITING
    assert all(getattr(each, "status_code", 0) == 429 for each in found[MOST_WAITING:])
    assert await access.is_right(PASSWORD), "once they are gone it is as before"


async def test_while_passwords_are_guessed_who_is_signed_in_notices_nothing(guarded: Visitor) -> None:
    await sign_in(guarded)
    guesses = [
        asyncio.create_task(
            httpx.AsyncClient(transport=guarded.client._transport, base_url="http://localhost").get(
                "/config", headers=basic(f"guess {number}")
            )
        )
        for number in range(MOST_WAITING * 2)
    ]
    await asyncio.sleep(0.3)
    assert (await guarded.get("/config")).status_code == 200
    # The guesses are tried one after the other, and wait: whoever is signed in was not behind them.
    assert not all(guess.done() for guess in guesses)
    statuses = {answer.status_code for answer in await asyncio.gather(*guesses)}
    assert statuses == {401, 429}


async def test_without_a_password_nobody_is_asked(visitor: Visitor) -> None:
    text = (await visitor.get("/config")).text
    assert "Sign out" not in text
    assert (await visitor.get("/sign-in")).headers["location"] == "/"
