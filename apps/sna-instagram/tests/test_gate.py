"""The gate: what it lets through, and to which address."""

from __future__ import annotations

import asyncio
import base64
import logging
from urllib.parse import urlsplit

import pytest

from sna_instagram.gate import Gate

from .site import Site

LOG = logging.getLogger("test")


async def ask(gate: Gate, request: str, *, password: bool = True) -> str:
    """Return what the gate answers to a request's first line, as one text."""
    parts = urlsplit(gate.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    pair = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    field = f"Proxy-Authorization: Basic {pair}\r\n" if password else ""
    writer.write(f"{request}\r\n{field}\r\n".encode())
    answer = (await reader.read(4096)).decode()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "why"),
    [
        ("CONNECT evil.test:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT instagram.com.evil.test:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT 127.0.0.1:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT [::1]:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT 169.254.169.254:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT www.instagram.com:80 HTTP/1.1", "only 443"),
        ("CONNECT www.instagram.com:22 HTTP/1.1", "only 443"),
        ("CONNECT user@www.instagram.com:443 HTTP/1.1", "not one of the site's hosts"),
        ("CONNECT www.instagram.com HTTP/1.1", "only 443"),
        ("GET http://www.instagram.com/ HTTP/1.1", "only https"),
        ("POST http://169.254.169.254/ HTTP/1.1", "only https"),
        ("nonsense", "only https"),
    ],
)
async def test_the_gate_lets_nothing_through_but_the_site(gate: Gate, request_line: str, why: str) -> None:
    answer = await ask(gate, request_line)
    assert answer.startswith("HTTP/1.1 403 ")
    assert why in answer


async def test_the_gate_serves_nobody_without_its_password(gate: Gate) -> None:
    answer = await ask(gate, "CONNECT www.instagram.com:443 HTTP/1.1", password=False)
    assert answer.startswith("HTTP/1.1 403 ")
    assert "password" in answer


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.1", "fd00::1"], ["::ffff:169.254.169.254"], []])
async def test_a_name_of_the_sites_that_leads_into_the_own_network_is_not_connected_to(addresses: list[str]) -> None:
    async def resolver(_host: str) -> list[str]:
        return addresses

    gate = Gate(LOG, resolver=resolver)
    await gate.start()
    try:
        answer = await ask(gate, "CONNECT scontent.cdninstagram.com:443 HTTP/1.1")
    finally:
        await gate.stop()
    assert answer.startswith("HTTP/1.1 403 ")
    assert "not public" in answer


async def test_the_gate_connects_to_the_very_address_that_it_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    async def resolver(host: str) -> list[str]:
        asked.append(host)
        return ["10.0.0.1", "157.240.0.174"] if len(asked) == 1 else ["127.0.0.1"]

    real = asyncio.open_connection

    async def open_connection(host: str, port: int, **how: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port != 443:
            return await real(host, port, **how)
        connected.append((host, port))
        raise ConnectionRefusedError("no network in this test")

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    gate = Gate(LOG, resolver=resolver)
    await gate.start()
    try:
        answer = await ask(gate, "CONNECT scontent.cdninstagram.com:443 HTTP/1.1")
    finally:
        await gate.stop()
    assert answer.startswith("HTTP/1.1 502 ")
    assert (asked, connected) == (["scontent.cdninstagram.com"], [("157.240.0.174", 443)])


async def test_an_upstream_proxy_that_refuses_is_said(site: Site) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.write(b"HTTP/1.1 407 No\r\n\r\n"), "127.0.0.1", 0)
    gate = Gate(LOG, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await gate.start()
    try:
        answer = await ask(gate, "CONNECT www.instagram.com:443 HTTP/1.1")
    finally:
        await gate.stop()
        server.close()
    assert answer.startswith("HTTP/1.1 502 ")
    assert "407" in answer
