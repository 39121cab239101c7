"""Whom the application asks: the internet, the one that is configured, and nobody else in the house."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest

from foundation_testing.postgres import free_port
from mail_assistant.config import Settings
from mail_assistant.services.llm_service import AWAY, OllamaAdapter
from mail_assistant.services.outbound import NotAsked, Outbound, is_public
from mail_assistant.services.status import Status
from tests.conftest import Visitor, serving
from tests.servers import Answers, models

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fd00::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    # IPv4 inside IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64.
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:192.168.1.1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:0:127.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:807f:fffe",
    "64:ff9b::127.0.0.1",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::1",
    "no address",
    "",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_the_internets_is_known_in_every_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_one(address: str) -> None:
    assert is_public(address)


class Recorded(httpx.AsyncBaseTransport):
    """Stands where connections would be made, and writes down to where."""

    def __init__(self, fails: Sequence[str] = ()) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._fails = fails

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((str(request.url), request.headers["host"], request.extensions.get("sni_hostname")))
        if request.url.host in self._fails:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, text=models("phi3"))


def leads_to(*addresses: str) -> Any:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if not addresses:
            raise OSError("no such name")
        return list(addresses)

    resolve.asked = asked  # pyright: ignore[reportFunctionMemberAccess]
    return resolve


async def get(outbound: Outbound, url: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=outbound) as client:
        return await client.get(url)


async def test_a_connection_goes_to_the_address_that_was_looked_at_with_the_names_host_and_certificate() -> None:
    inner, resolve = Recorded(), leads_to("8.8.8.8")
    await get(Outbound(None, inner, resolve), "https://ollama.example:8443/api/tags")
    assert inner.asked == [("https://8.8.8.8:8443/api/tags", "ollama.example:8443", "ollama.example")]
    assert resolve.asked == ["ollama.example"], "asked twice, it could lead elsewhere"


async def test_an_address_of_version_six_is_bracketed() -> None:
    inner = Recorded()
    await get(Outbound(None, inner, leads_to("2606:4700:4700::1111")), "http://ollama.example/")
    assert inner.asked[0][0] == "http://[2606:4700:4700::1111]/"


@pytest.mark.parametrize(
    "addresses", [("192.168.1.1",), ("8.8.8.8", "192.168.1.1"), ("192.168.1.1", "8.8.8.8"), ("::ffff:10.0.0.1",)]
)
async def test_a_name_with_a_private_address_is_not_asked_at_all(addresses: tuple[str, ...]) -> None:
    inner = Recorded()
    with pytest.raises(NotAsked):
        await get(Outbound("http://ollama:11434", inner, leads_to(*addresses)), "http://innocent.example/")
    assert inner.asked == []


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    inner = Recorded(fails=["8.8.8.8"])
    assert (await get(Outbound(None, inner, leads_to("8.8.8.8", "1.1.1.1")), "http://x.example/")).status_code == 200
    assert [url for url, _, _ in inner.asked] == ["http://8.8.8.8/", "http://1.1.1.1/"]


async def test_a_name_that_leads_nowhere_can_not_be_connected_to() -> None:
    with pytest.raises(httpx.ConnectError, match="name"):
        await get(Outbound(None, Recorded(), leads_to()), "http://nowhere.example/")


@pytest.mark.parametrize(
    ("configured", "url", "is_asked"),
    [
        ("http://ollama:11434", "http://ollama:11434/api/tags", True),
        ("http://ollama:11434", "http://OLLAMA.:11434/api/tags", True),
        ("http://ollama", "http://ollama:80/", True),
        ("http://ollama:11434", "http://ollama:5432/", False),
        ("http://ollama:11434", "http://ollama/", False),
        ("http://ollama:11434", "https://ollama:11434/", False),
        ("http://ollama:11434", "http://postgres:11434/", False),
        ("http://192.168.1.5:11434", "http://192.168.1.5:11434/", True),
        ("http://192.168.1.5:11434", "http://192.168.1.6:11434/", False),
        (None, "http://ollama:11434/", False),
    ],
)
async def test_of_the_private_ones_only_the_configured_server_is_asked(
    configured: str | None, url: str, is_asked: bool
) -> None:
    inner = Recorded()
    outbound = Outbound(configured, inner, leads_to("172.18.0.3"))
    if is_asked:
        assert (await get(outbound, url)).status_code == 200
        assert inner.asked[0][0] == str(httpx.URL(url)), "as it is: its name may lead to another address later"
    else:
        with pytest.raises(NotAsked):
            await get(outbound, url)
        assert inner.asked == []


# Through the page, against a machine that may not be asked.


@pytest.fixture
def secret_server() -> Iterator[Answers]:
    """Yield a server on loopback that nobody configured."""
    made = Answers(models("canary-model"))
    yield made
    made.close()


def forms_of_loopback(port: int) -> list[str]:
    hosts = (
        *(
            "127.0.0.1",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "127.1",
            "0",
        ),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::]", "0.0.0.0", "127.000.000.001"),
        *("[64:ff9b::7f00:1]", "[::127.0.0.1]", "0177.0.0.1", "0x7f.1"),
    )
    return [f"http://{host}:{port}" for host in hosts]


async def detail(visitor: Visitor, endpoint: str) -> tuple[str, str]:
    answer = (await visitor.post("/config/test/llm", {"llm_endpoint": endpoint})).json()
    return answer["status"], answer["detail"]


async def test_the_connection_test_asks_nothing_private_in_any_form_and_says_the_same_about_all(
    visitor: Visitor, secret_server: Answers
) -> None:
    port = int(secret_server.url.rpartition(":")[2])
    for endpoint in [*forms_of_loopback(port), "http://no-such-host.invalid", f"http://127.0.0.1:{free_port()}"]:
        assert await detail(visitor, endpoint) == ("unreachable", AWAY), endpoint
    assert secret_server.asked == []


async def test_a_saved_address_is_asked_no_more_than_one_that_is_tried(
    visitor: Visitor, secret_server: Answers
) -> None:
    await visitor.post("/config", {"llm_endpoint": secret_server.url, "llm_model": "canary-model"})
    health = (await visitor.get("/health")).json()
    assert (health["checks"]["llm"], health["details"]["llm"]) == ("unreachable", AWAY)
    assert "no answer" in (await visitor.post("/draft")).text
    assert secret_server.asked == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, "canary"), (404, "canary"), (500, "canary"), (200, "canary"), (200, '{"models": "canary"}')],
)
async def test_whatever_answers_instead_of_ollama_the_page_says_the_same(
    visitor: Visitor, ollama: Answers, status: int, body: str
) -> None:
    ollama.status, ollama.body = status, body
    assert await detail(visitor, ollama.url) == ("unreachable", AWAY)


async def test_a_redirection_is_not_followed(chosen: Settings, ollama: Answers, secret_server: Answers) -> None:
    ollama.status, ollama.headers = 302, {"location": f"{secret_server.url}/api/tags"}
    async with serving(chosen) as visitor:
        assert await detail(visitor, ollama.url) == ("unreachable", AWAY)
    assert secret_server.asked == []


async def test_the_reason_is_in_the_log_alone(
    visitor: Visitor, secret_server: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    from foundation import logs

    logs.configure("tests")
    await detail(visitor, secret_server.url)
    assert "its address is a private one" in capsys.readouterr().out


@pytest.fixture
async def public_only() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Outbound(None)) as client:
        yield client


async def test_a_real_name_that_leads_to_loopback_is_not_asked(
    public_only: httpx.AsyncClient, secret_server: Answers
) -> None:
    result = await OllamaAdapter(secret_server.url.replace("127.0.0.1", "localhost"), None, public_only).ping()
    assert result.status is Status.UNREACHABLE
    assert secret_server.asked == []
