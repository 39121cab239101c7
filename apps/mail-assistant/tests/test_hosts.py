"""Under which names the application answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.datastructures import Headers

from foundation_testing.postgres import Cluster
from mail_assistant.config import Settings
from mail_assistant.hosts import asked_for, host_of
from tests.conftest import Visitor, serving
from tests.servers import Process

NAMES = "pi.local *.example.org"
OURS = [
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "localhost.:8000",
    "mail.localhost",
    "pi.local",
    "PI.Local.:80",
    "a.example.org",
    "a.b.EXAMPLE.org:443",
    "127.0.0.1:8000",
    "192.168.1.20",
    "192.168.1.20.",
    "[::1]:8000",
    "[FD00::1]",
    "[::ffff:192.168.1.20]:8000",
]
OTHERS = [
    "evil.example",
    "evil.example:8000",
    "EVIL.example.",
    "example.org",
    "notexample.org",
    "example.org.evil.example",
    "pi.local.evil.example",
    "evil-pi.local",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    # Forms of addresses that no browser sends: names like any other.
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "127.1",
    "127.0.0.01",
]
UNREADABLE = [
    "",
    " ",
    "localhost:",
    "localhost:port",
    "localhost:99999",
    "localhost:80:80",
    "localhost/",
    "localhost#x",
    "me@localhost",
    "localhost@evil.example",
    "localhost, evil.example",
    "localhost evil.example",
    "localhost..",
    ".localhost",
    ".",
    "[::1",
    "::1",
    "[]",
    "[localhost]",
    "[127.0.0.1]",
    "[fe80::1%25eth0]",
    "[:::1]",
    "loc\u00e4lhost",
    "localhost%2e",
    "local\\host",
]


@pytest.fixture
async def named(chosen: Settings) -> AsyncIterator[Visitor]:
    async with serving(chosen.model_copy(update={"allowed_hosts": NAMES})) as made:
        yield made


@pytest.mark.parametrize("host", OURS)
async def test_it_answers_to_its_names_and_to_addresses_however_they_are_written(named: Visitor, host: str) -> None:
    assert (await named.get("/config", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/config", "/health", "/health/ready", "/static/app.css", "/nothing", "/sign-in"]
)
async def test_no_address_of_it_answers_to_another_name(named: Visitor, path: str) -> None:
    answer = await named.get(path, headers={"host": "evil.example"})
    assert (answer.status_code, "ALLOWED_HOSTS" in answer.text) == (421, True)
    assert "csrf" not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", OTHERS)
async def test_another_name_is_refused_whatever_of_ours_it_holds(named: Visitor, host: str) -> None:
    assert (await named.get("/config", headers={"host": host})).status_code == 421


@pytest.mark.parametrize("host", UNREADABLE)
def test_what_is_no_host_is_read_as_none(host: str) -> None:
    assert host_of(host) is None


@pytest.mark.parametrize("host", ["", "me@localhost", "localhost:port", "[::1", "localhost, evil.example"])
async def test_what_is_no_host_is_refused_as_a_mistake(named: Visitor, host: str) -> None:
    assert (await named.get("/config", headers={"host": host})).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-forwarded-host": "pi.local"}, 200),
        ({"x-forwarded-host": "PI.LOCAL:443"}, 200),
        ({"x-forwarded-host": "evil.example"}, 421),
        ({"x-forwarded-host": "pi.local, evil.example"}, 421),
        ({"x-forwarded-host": "evil.example, pi.local"}, 421),
        ({"x-forwarded-host": "@"}, 400),
        ({"forwarded": "for=1.2.3.4;host=pi.local;proto=https"}, 200),
        ({"forwarded": 'for=1.2.3.4; Host="evil.example:80"'}, 421),
        ({"forwarded": "host=pi.local, for=x;host=evil.example"}, 421),
        ({"forwarded": "for=1.2.3.4"}, 200),
    ],
)
async def test_what_a_proxy_passes_on_must_be_ours_too_and_never_makes_up_for_the_host(
    named: Visitor, headers: dict[str, str], status: int
) -> None:
    assert (await named.get("/config", headers={"host": "127.0.0.1:8000", **headers})).status_code == status
    assert (await named.get("/config", headers={"host": "evil.example", **headers})).status_code in {400, 421}


def test_two_headers_host_are_none() -> None:
    assert asked_for(Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])) is None
    assert asked_for(Headers(raw=[])) is None


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /config HTTP/1.1\r\nHost: evil.example\r\n", 421),
        ("GET /config HTTP/1.1\r\nhOsT:   EVIL.example.:80\r\n", 421),
        ("GET /config HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
        ("GET /config HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n", 400),
        ("GET /config HTTP/1.1\r\n", 400),
        ("GET /config HTTP/1.0\r\n", 400),
        ("GET http://localhost/config HTTP/1.1\r\nHost: evil.example\r\n", 421),
        ("POST /config HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n", 421),
        ("GET /config HTTP/1.1\r\nHost: localhost\r\n", 200),
    ],
)
def test_as_bytes_on_the_wire_no_form_of_another_name_is_answered(
    request_text: str, status: int, wired: Process
) -> None:
    with socket.create_connection(("127.0.0.1", wired.port), 10) as line:
        line.sendall(f"{request_text}Connection: close\r\n\r\n".encode())
        answer = b""
        while part := line.recv(65536):
            answer += part
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    if status != 200:
        assert b"csrf_token" not in answer


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Process]:
    """Yield one process for all these: it needs a database only to start."""
    made = Process(tmp_path_factory.mktemp("wired"), cluster.environment("postgres"))
    yield made.wait_until_up()
    made.stop()
