"""Accounts: registering, signing in and out, what the cookie is worth, and what a stranger learns."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import GOOD_PASSWORD, Application, Visitor, serving
from todo_backend import passwords
from todo_backend.accounts import COOKIE, DEVICE_COOKIE
from todo_backend.config import Settings
from todo_backend.passwords import Passwords

ADA = {"email": "ada@example.test", "password": GOOD_PASSWORD}


async def rows(chosen: Settings, query: str) -> list[Any]:
    connection = await asyncpg.connect(chosen.database_url.get_secret_value())
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def test_one_who_registers_is_signed_in(application: Application) -> None:
    visitor = application.visitor()
    answer = await visitor.post("/auth/register", json={"email": " Ada@Example.TEST ", "password": GOOD_PASSWORD})
    assert (answer.status_code, answer.json().keys()) == (201, {"id", "email"})
    assert answer.json()["email"] == "ada@example.test"
    assert (await visitor.get("/auth/me")).json() == answer.json()


async def test_the_cookie_is_out_of_scripts_reach_and_of_other_sites(application: Application) -> None:
    session, device = (await application.visitor().post("/auth/register", json=ADA)).headers.get_list("set-cookie")
    for cookie, name, lasting, path in (
        (session, COOKIE, 1209600, "/"),
        (device, DEVICE_COOKIE, 31536000, "/api/v1/auth"),
    ):
        assert cookie.startswith(f"{name}=")
        attributes = [part.strip().lower() for part in cookie.split(";")[1:]]
        assert sorted(attributes) == ["httponly", f"max-age={lasting}", f"path={path}", "samesite=lax"]


@pytest.mark.parametrize(
    ("chosen_value", "header", "is_secure"),
    [("auto", "http", False), ("auto", "https", True), ("true", "http", True), ("false", "https", False)],
)
async def test_the_cookie_travels_by_https_alone_where_it_can(
    chosen: Settings, chosen_value: str, header: str, is_secure: bool
) -> None:
    async with serving(chosen.model_copy(update={"cookie_secure": chosen_value})) as application:
        visitor = application.visitor(**{"x-forwarded-proto": header})
        answer = await visitor.post("/auth/register", json=ADA)
        assert ("secure" in answer.headers["set-cookie"].lower()) is is_secure


async def test_signing_in_takes_the_address_in_any_letters_and_the_password_exactly(application: Application) -> None:
    await application.visitor().register()
    visitor = application.visitor()
    assert (await visitor.post("/auth/sign-in", json={**ADA, "email": "ADA@example.test"})).status_code == 200
    assert (await visitor.get("/auth/me")).json()["email"] == ADA["email"]
    for wrong in (GOOD_PASSWORD.upper(), GOOD_PASSWORD + " ", GOOD_PASSWORD[:-1], "", "x" * 200):
        assert (await visitor.post("/auth/sign-in", json={**ADA, "password": wrong})).status_code == 401


async def test_signing_out_ends_the_session_for_a_copy_of_the_cookie_too(ada: Visitor) -> None:
    thief = Visitor(ada.app, cookie=f"{COOKIE}={ada.client.cookies[COOKIE]}")
    assert (await thief.get("/auth/me")).status_code == 200
    assert (await ada.post("/auth/sign-out")).status_code == 204
    assert COOKIE not in ada.client.cookies
    assert (await thief.get("/auth/me")).status_code == 401
    assert (await ada.post("/auth/sign-out")).status_code == 204


async def test_signing_out_here_leaves_the_other_browser_signed_in(application: Application, ada: Visitor) -> None:
    other = application.visitor()
    await other.post("/auth/sign-in", json=ADA)
    await ada.post("/auth/sign-out")
    assert (await other.get("/auth/me")).status_code == 200


async def test_a_forged_cookie_is_worth_nothing(ada: Visitor) -> None:
    good = ada.client.cookies[COOKIE]
    token, _, signature = good.partition(".")
    forged = [token, f"{token}.", f".{signature}", f"{token[::-1]}.{signature}", f"{token}.{signature[:-1]}", "x", "."]
    for cookie in [*forged, "é" * 20, "a" * 5000, f"{token}.{signature}x"]:
        thief = Visitor(ada.app)
        answer = await thief.get("/auth/me", headers={"cookie": f"{COOKIE}={cookie}".encode()})
        assert answer.status_code == 401, cookie
    assert (await Visitor(ada.app).get("/auth/me", headers={"cookie": f"{COOKIE}={good}"})).status_code == 200


async def test_a_session_ends_when_its_time_is_over(ada: Visitor, chosen: Settings) -> None:
    await rows(chosen, "UPDATE sessions SET expires = now() - interval '1 second'")
    assert (await ada.get("/auth/me")).status_code == 401


async def test_another_auth_secret_signs_everybody_out(chosen: Settings, ada: Visitor) -> None:
    from pydantic import SecretStr

    async with serving(chosen.model_copy(update={"auth_secret": SecretStr("another-" * 8)})) as application:
        visitor = application.visitor(cookie=f"{COOKIE}={ada.client.cookies[COOKIE]}")
        assert (await visitor.get("/auth/me")).status_code == 401


async def test_neither_password_nor_cookie_can_be_read_in_the_database(ada: Visitor, chosen: Settings) -> None:
    (user,) = await rows(chosen, "SELECT * FROM users")
    assert user["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    tables = ("users", "sessions", "todos", "attempts")
    everything = str([await rows(chosen, f"SELECT * FROM {table}") for table in tables])
    assert GOOD_PASSWORD not in everything
    assert ada.client.cookies[COOKIE].partition(".")[0] not in everything


async def test_an_address_is_registered_once_even_by_many_at_the_same_moment(application: Application) -> None:
    answers = await asyncio.gather(*(application.visitor().post("/auth/register", json=ADA) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    (refused, *_) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["fields"].keys() == {"email"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": "x", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": "a@b", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": "two words@example.test", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": "a@b@example.test", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": "a" * 250 + "@example.test", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": "a\r\nbcc: x@example.test", "password": GOOD_PASSWORD}, {"email"}),
        ({"email": ["a@example.test"], "password": GOOD_PASSWORD}, {"email"}),
        ({**ADA, "password": "seven77"}, {"password"}),
        ({**ADA, "password": "x" * 201}, {"password"}),
        ({**ADA, "password": None}, {"password"}),
        ({**ADA, "password": 12345678}, {"password"}),
        ({**ADA, "is_admin": True}, {"is_admin"}),
    ],
)
async def test_what_can_not_be_registered_gets_a_message_beside_its_field(
    application: Application, body: dict[str, Any], fields: set[str]
) -> None:
    answer = await application.visitor().post("/auth/register", json=body)
    assert (answer.status_code, answer.json()["fields"].keys()) == (422, fields)
    assert all(message.endswith(".") for message in answer.json()["fields"].values())
    assert str(body.get("password") or "-") not in answer.text or body.get("password") == GOOD_PASSWORD


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(application: Application) -> None:
    await application.visitor().register()
    known = await application.visitor().post("/auth/sign-in", json={**ADA, "password": "wrong password"})
    unknown = await application.visitor().post("/auth/sign-in", json={**ADA, "email": "nobody@example.test"})
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) == (401, known.text)
    kept = {"x-request-id"}
    assert {name for name in known.headers} - kept == {name for name in unknown.headers} - kept


async def test_an_unknown_address_costs_as_much_hashing_as_a_known_one(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await application.visitor().register()
    checked: list[str] = []
    really = Passwords._verify

    def watched(self: Passwords, known: str, password: str) -> bool:
        checked.append(known.rpartition("$")[0].rpartition("$")[0])
        return really(self, known, password)

    monkeypatch.setattr(Passwords, "_verify", watched)
    for email in ("ada@example.test", "nobody@example.test"):
        await application.visitor().post("/auth/sign-in", json={"email": email, "password": "wrong password"})
    # Counted, not timed: one hash each, with the same parameters.
    assert checked == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_guessing_is_stopped_after_ten_tries_even_with_the_right_password(application: Application) -> None:
    await application.visitor().register()
    wrong = {**ADA, "password": "wrong password"}
    guesses = await asyncio.gather(*(application.visitor().post("/auth/sign-in", json=wrong) for _ in range(15)))
    assert sorted(answer.status_code for answer in guesses) == [401] * 10 + [429] * 5
    answer = await application.visitor().post("/auth/sign-in", json=ADA)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "minute" in answer.json()["detail"]
    # From elsewhere the owner gets in, and an account that there is not is guarded alike.
    elsewhere = application.visitor(**{"x-forwarded-for": "198.51.100.7"})
    assert (await elsewhere.post("/auth/sign-in", json=ADA)).status_code == 200
    nobody = {**wrong, "email": "nobody@example.test"}
    codes = [(await application.visitor().post("/auth/sign-in", json=nobody)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


@pytest.mark.parametrize("place", ["10.0.0.2", "203.0.113.9"])
async def test_whoever_guesses_shuts_nobody_out_whose_browser_has_signed_in_before(
    application: Application, place: str
) -> None:
    at = {"x-forwarded-for": place}
    owner = await application.visitor(**at).register()
    await owner.post("/auth/sign-out")
    wrong = {**ADA, "password": "wrong password"}
    for _ in range(11):
        answer = await application.visitor(**at).post("/auth/sign-in", json=wrong)
    assert answer.status_code == 429
    assert (await owner.post("/auth/sign-in", json=ADA)).status_code == 200
    # It is no key: the browser has ten tries of its own, and for its account alone.
    codes = [(await owner.post("/auth/sign-in", json=wrong)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    for forged in (owner.client.cookies[DEVICE_COOKIE] + "0", "x", "x.y", "é.é"):
        cookie = {"cookie": f"{DEVICE_COOKIE}={forged}".encode()}
        assert (await application.visitor(**at).post("/auth/sign-in", json=ADA, headers=cookie)).status_code == 429
    grace = {**ADA, "email": "grace@example.test"}
    device = application.visitor(**at, cookie=f"{DEVICE_COOKIE}={owner.client.cookies[DEVICE_COOKIE]}")
    codes = [(await device.post("/auth/sign-in", json=grace)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


@pytest.mark.parametrize(
    ("forwarded", "last"),
    [
        # One visitor of the internet: a hundred accounts from there, and no more.
        ("203.0.113.9", 429),
        ("203.0.113.9, 10.0.0.2", 429),
        # A balancer that hides who comes: nobody else is shut out.
        ("10.0.0.2", 401),
    ],
)
async def test_one_address_is_shut_out_unless_it_is_a_balancers(
    application: Application, monkeypatch: pytest.MonkeyPatch, forwarded: str, last: int
) -> None:
    monkeypatch.setattr(Passwords, "_verify", lambda *_: False)
    visitor = application.visitor(**{"x-forwarded-for": forwarded})
    for number in range(101):
        body = {"email": f"a{number}@example.test", "password": "wrong password"}
        answer = await visitor.post("/auth/sign-in", json=body)
    assert answer.status_code == last


async def test_signing_in_rightly_uses_up_no_try(application: Application) -> None:
    await application.visitor().register()
    for _ in range(13):
        assert (await application.visitor().post("/auth/sign-in", json=ADA)).status_code == 200


async def test_the_limit_holds_for_all_replicas_together_and_ends_with_its_time(chosen: Settings) -> None:
    wrong = {**ADA, "password": "wrong password"}
    async with serving(chosen) as one, serving(chosen) as other:
        codes = [
            (await each.visitor().post("/auth/sign-in", json=wrong)).status_code
            for _ in range(6)
            for each in (one, other)
        ]
        assert codes == [401] * 10 + [429] * 2
        await rows(chosen, "UPDATE attempts SET until = now() - interval '1 second'")
        assert (await one.visitor().post("/auth/sign-in", json=wrong)).status_code == 401


async def test_registering_is_limited_for_one_place(chosen: Settings) -> None:
    async with serving(chosen.model_copy(update={"registrations_per_hour": 2})) as application:
        codes = [
            (await application.visitor().post("/auth/register", json={**ADA, "email": f"a{number}@example.test"}))
            for number in range(3)
        ]
        assert [answer.status_code for answer in codes] == [201, 201, 429]


async def test_too_many_hashes_at_once_are_refused_instead_of_piling_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import HTTPException

    monkeypatch.setattr(passwords, "MOST_WAITING", 3)
    made = Passwords()
    answers = await asyncio.gather(*(made.verify(None, "x") for _ in range(8)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, HTTPException)]
    assert ([answer.status_code for answer in refused], answers.count(False)) == ([503] * 5, 3)
    assert await made.verify(None, "x") is False


async def test_a_hash_with_older_parameters_is_renewed_at_the_next_sign_in(
    application: Application, chosen: Settings
) -> None:
    from argon2 import PasswordHasher

    await application.visitor().register()
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD_PASSWORD)
    await rows(chosen, f"UPDATE users SET password_hash = '{old}'")
    for _ in range(2):
        assert (await application.visitor().post("/auth/sign-in", json=ADA)).status_code == 200
    (user,) = await rows(chosen, "SELECT password_hash FROM users")
    assert "m=19456" in user["password_hash"]


async def test_while_passwords_are_checked_others_are_answered(application: Application, ada: Visitor) -> None:
    signing_in = asyncio.gather(
        *(
            application.visitor(**{"x-forwarded-for": f"10.0.0.{number}"}).post("/auth/sign-in", json=ADA)
            for number in range(10)
        )
    )
    times: list[float] = []
    while not signing_in.done():
        started = time.monotonic()
        assert (await ada.get("/health/live")).status_code == 200
        times.append(time.monotonic() - started)
        await asyncio.sleep(0.005)
    answers: list[httpx.Response] = await signing_in
    assert {answer.status_code for answer in answers} == {200}
    # Hashes on the event loop would leave room for no answer between them.
    assert len(times) > len(answers)
    assert statistics.median(times) < 1
