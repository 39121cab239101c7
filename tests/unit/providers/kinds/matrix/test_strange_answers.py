"""What answers in the place of a homeserver or of maubot, and what a homeserver says that nobody expects.

Each is an error in words that the plugin knows, so that a look which meets it is drift of that one resource, and never
the end of a refresh.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from providers.errors import HearthError, NotAnswering
from providers.kinds.matrix import client, user
from providers.kinds.matrix.answers import retry_after
from providers.kinds.matrix.homeserver import MatrixError
from providers.kinds.matrix.instance import observe as observe_instance
from providers.kinds.matrix.instance import restore as restore_instance
from tests.unit.providers.kinds.matrix.memory_servers import CONFIG_FILE, HOMESERVER, MAUBOT, Servers
from tests.unit.providers.kinds.matrix.test_maubot import CLIENT, INSTANCE, brought_up, client_up, servers_with_token
from tests.unit.providers.kinds.matrix.test_user import FILE, WISH
from tests.unit.providers.kinds.matrix.test_user import brought_up as user_up

PAGE = "<html><title>Welcome to nginx!</title></html>"
STRANGE = {
    "a proxy before a homeserver that is away": (httpx.Response(502, html=PAGE), "is away: what stands before it"),
    "a proxy that waited": (httpx.Response(504, text=""), "is away: what stands before it"),
    "a proxy of another shape": (httpx.Response(503, json={"message": "no upstream"}), "is away"),
    "a web page": (httpx.Response(200, html=PAGE), "is no homeserver"),
    "another API": (httpx.Response(200, json={"status": "ok"}), "is no homeserver: it says nothing of 'user_id'"),
    "a list": (httpx.Response(200, json=["a"]), "is no homeserver"),
    "nothing": (httpx.Response(204), "is no homeserver"),
    "a redirect": (
        httpx.Response(308, headers={"Location": "https://matrix.example.org/"}),
        "this one sends its callers to https://matrix.example.org/",
    ),
    "a path that nobody knows": (httpx.Response(404, html=PAGE), "refused to say whose a token is"),
    "a proxy that wants a password": (httpx.Response(401, html=PAGE), "refused to say whose a token is"),
    "an error of its own": (
        httpx.Response(500, json={"errcode": "M_UNKNOWN", "error": "Internal server error"}),
        "M_UNKNOWN Internal server error",
    ),
    "a broken packing": (
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        "took the connection and did not answer",
    ),
}


def answering(answer: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    def strange(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    return strange


@pytest.mark.parametrize(("answer", "told"), STRANGE.values(), ids=STRANGE)
async def test_what_is_no_answer_of_a_homeserver_is_said_in_words_and_an_account_is_not_taken_for_gone(
    answer: httpx.Response, told: str
):
    servers = Servers()
    await user_up(servers)
    servers.session.web[HOMESERVER] = answering(answer)
    with pytest.raises(HearthError) as error:
        await user.observe(servers.session, WISH)
    assert told in str(error.value)


@pytest.mark.parametrize(("answer", "told"), STRANGE.values(), ids=STRANGE)
async def test_a_client_is_looked_at_all_the_same_and_counts_as_not_logged_in(answer: httpx.Response, told: str):
    servers = servers_with_token()
    await client_up(servers)
    servers.session.web[HOMESERVER] = answering(answer)
    facts = await client.observe(servers.session, CLIENT)
    assert (facts.present, facts.started, facts.logged_in) == (True, True, False)
    assert "can't be told" in servers.session.messages[-1]


@pytest.mark.parametrize("name", sorted(STRANGE.keys() - {"another API"}))  # its 200 is as good as the homeserver's
async def test_destroy_says_that_the_device_stays_logged_in_and_goes_on(name: str):
    servers = Servers()
    before = await user_up(servers)
    servers.session.web[HOMESERVER] = answering(STRANGE[name][0])
    await user.restore(servers.session, WISH, before)
    assert "echo stays logged in" in servers.session.messages[-1]
    assert FILE not in servers.session.files


async def test_an_account_that_can_not_be_closed_is_logged_out_and_destroy_goes_on():
    wish = WISH.model_copy(update={"deactivate": True})
    servers = Servers()
    before = await user_up(servers, wish)
    servers.homeserver.passwords["echo"] = "changed elsewhere"
    await user.restore(servers.session, wish, before)
    assert servers.homeserver.tokens == {}
    assert "echo is not closed" in servers.session.messages[-1]
    assert "deactivate it by hand" in servers.session.messages[-1]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("M_USER_DEACTIVATED", "was closed for good"),
        ("M_USER_LOCKED", "have it unlocked"),
        ("M_USER_SUSPENDED", "have that ended"),
        ("M_FORBIDDEN", "has another password there"),
    ],
)
async def test_why_an_account_is_not_let_in_is_told_by_what_the_homeserver_says(code: str, remedy: str):
    servers = Servers()
    servers.homeserver.passwords["echo"] = "s3cret"
    homeserver = servers.session.web[HOMESERVER]

    def refusing(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(403, json={"errcode": code}) if request.url.path.endswith("/login") else homeserver(request)
        )

    servers.session.web[HOMESERVER] = refusing
    with pytest.raises(MatrixError, match="refused to let echo log in") as error:
        await user.apply(servers.session, WISH, await user.observe(servers.session, WISH))
    assert remedy in str(error.value)


@pytest.mark.parametrize("token", ["t\u00f6ken", "two\nlines", "a b", "", 5, None])
async def test_a_token_that_somebody_edited_into_none_is_not_sent_and_the_account_is_logged_in_again(token: object):
    servers = Servers()
    await user_up(servers)
    kept = json.loads(servers.session.files[FILE].content or b"{}")
    servers.session.put(FILE, json.dumps({**kept, "access_token": token}), mode="0600")
    assert not (await user.observe(servers.session, WISH)).logged_in
    await user_up(servers)


@pytest.mark.parametrize(
    "flows",
    [None, "dummy", [], [None], ["m.login.dummy"], [{}], [{"stages": None}], [{"stages": []}], [{"stages": [5]}]],
)
async def test_stages_of_another_shape_are_a_refusal_and_no_account(flows: object):
    servers = Servers()

    def asking(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/register"):
            return httpx.Response(401, json={"session": "s", "flows": flows})
        return servers.homeserver(request)

    servers.session.web[HOMESERVER] = asking
    with pytest.raises(MatrixError, match="no account was made"):
        await user.apply(servers.session, WISH, await user.observe(servers.session, WISH))
    assert servers.homeserver.passwords == {}


async def test_another_accounts_token_is_not_the_bots():
    servers = Servers()
    await user_up(servers)
    token = next(iter(servers.homeserver.tokens))
    servers.homeserver.tokens[token] = ("ann", "MAUBOT")
    assert not (await user.observe(servers.session, WISH)).logged_in
    await user_up(servers)
    assert ("echo", "MAUBOT") in servers.homeserver.tokens.values()


@pytest.mark.parametrize(
    "password", ['it\'s "quoted"', "two\nlines", "\u00fcml\u00e4ut \U0001f511", " blank ", "\\n$(id)"]
)
async def test_a_password_of_any_characters_is_the_accounts(password: str):
    servers = Servers()
    wish = WISH.model_copy(update={"password": password})
    await user_up(servers, wish)
    servers.homeserver.tokens.clear()
    await user_up(servers, wish)
    assert servers.homeserver.passwords == {"echo": password}


@pytest.mark.parametrize(
    ("told", "header", "seconds"),
    [
        (5000, None, 5.0),
        (0, None, 0.0),
        (-1, None, 0.0),
        (None, "7", 7.0),
        (None, " 7 ", 7.0),
        (5000, "7", 5.0),
        ("soon", "7", 7.0),
        (True, "7", 7.0),
        (None, None, 2.0),
        (None, "soon", 2.0),
        (None, "", 2.0),
        (None, "\u0663", 2.0),
        (None, "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (float("nan"), None, 2.0),
        (float("inf"), "7", 2.0),
        (10**400, None, 2.0),
    ],
)
def test_when_to_come_back_is_read_whatever_form_it_has(told: object, header: str | None, seconds: float):
    assert retry_after(told, header) == seconds


def test_a_day_and_time_to_come_back_is_waited_for():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after(None, later) <= 100


async def test_a_limit_that_says_zero_does_not_end_in_a_wait_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("providers.kinds.matrix.homeserver.LIMIT_PATIENCE", 0.3)
    servers = Servers()
    servers.session.web[HOMESERVER] = lambda _: httpx.Response(429, json={"retry_after_ms": 0})
    with pytest.raises(MatrixError, match="rate limit"):
        await user.observe(servers.session, WISH)


# --- maubot's port ---


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html=PAGE),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json=[]),
        httpx.Response(404, html=PAGE),
        httpx.Response(405, text=""),
        httpx.Response(502, html=PAGE),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.text[:9]}",
)
async def test_what_has_taken_maubots_port_is_not_taken_for_maubot(answer: httpx.Response):
    servers = Servers()
    before = await brought_up(servers)
    servers.session.web[MAUBOT] = answering(answer)
    with pytest.raises(NotAnswering, match="is not maubot") as error:
        await observe_instance(servers.session, INSTANCE)
    assert "ss -ltnp" in str(error.value)
    await restore_instance(servers.session, INSTANCE, before)
    assert "stays in maubot" in servers.session.messages[-1]


@pytest.mark.parametrize(
    "content", ["server: text\n", "- a list\n", "a: [", "a: 2026-13-45\n", "[" * 1000], ids=lambda text: text[:14]
)
async def test_a_configuration_that_is_none_is_said_in_words(content: str):
    servers = Servers()
    servers.session.put(CONFIG_FILE, content)
    with pytest.raises(HearthError):
        await observe_instance(servers.session, INSTANCE)
