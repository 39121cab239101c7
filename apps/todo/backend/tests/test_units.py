"""What needs no database: settings, where a request comes from, what the log leaves out, and the locks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from tests.conftest import settings
from todo_backend.config import problems
from todo_backend.inputs import read_day
from todo_backend.security import client_address, is_https, is_internal, refusal

URL = "postgresql://todo:canary%40@db.example:5433/todo"
ROOT = Path(__file__).resolve().parent.parent


def headers(**values: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in values.items()})


def test_the_databases_address_is_made_fit_for_the_driver() -> None:
    found = settings(database_url=f"{URL}?sslmode=require&channel_binding=require").database
    url = found.url
    assert url.drivername == "postgresql+asyncpg"
    assert (url.host, url.port, url.database, url.password, dict(url.query)) == (
        "db.example",
        5433,
        "todo",
        "canary@",
        {},
    )
    assert (found.tls, found.pooled) == ("require", False)
    assert "canary" not in str(url)
    other = settings(database_url=URL.replace("postgresql:", "postgres:")).database
    assert (other.url.drivername, other.tls) == (url.drivername, "prefer")


@pytest.mark.parametrize(
    ("address", "is_pooled"),
    [
        ("postgresql://a:b@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/neondb?sslmode=require", True),
        ("postgresql://a:b@ep-cool-darkness-123456.us-east-2.aws.neon.tech/neondb?sslmode=require", False),
        ("postgresql://a:b@db.example:6432/c", True),
        ("postgresql://postgres.a:b@aws-0-eu-central-1.pooler.supabase.com:6543/postgres", True),
        ("postgresql://a:b@db.example:6432/c?pgbouncer=false", False),
        ("postgresql://a:b@db.example/c?pgbouncer=true", True),
    ],
)
def test_a_pooler_is_known_by_its_name_its_port_or_a_parameter(address: str, is_pooled: bool) -> None:
    assert settings(database_url=address).database.pooled is is_pooled


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"database_url": "mysql://a:canary@b/c"}, "DATABASE_URL is wrong: it must be written as postgresql://"),
        ({"database_url": "canary"}, "DATABASE_URL is wrong"),
        ({"database_url": "postgresql://canary@/c"}, "DATABASE_URL is wrong"),
        ({"database_url": f"{URL}?sslmode=canary"}, "DATABASE_URL is wrong: it has another sslmode"),
        ({"database_url": f"{URL}?options=x"}, "DATABASE_URL is wrong: it has the parameter 'options'"),
        ({"database_url": f"{URL}?sslmode=verify-ca"}, "DATABASE_URL is wrong: it has sslmode=verify-ca without"),
        ({"database_url": f"{URL}?sslmode=verify-ca&sslrootcert=system"}, "DATABASE_URL is wrong: it has sslmode=v"),
        ({"database_url": f"{URL}?sslmode=verify-full&sslrootcert=/canary"}, "DATABASE_URL is wrong: it has an sslr"),
        ({"database_url": f"{URL}?sslmode=verify-full&sslrootcert=/etc/hosts"}, "DATABASE_URL is wrong: it has an aut"),
        ({"database_url": URL, "database_ca": "canary"}, "DATABASE_URL is wrong: it has an authority that is no cert"),
        ({"database_url": f"{URL}?sslmode=prefer", "database_ca": "canary"}, "DATABASE_URL is wrong: it has sslmode=p"),
        ({"database_url": f"{URL}?sslrootcert=/a", "database_ca": "canary"}, "DATABASE_URL is wrong: it has sslrootc"),
        ({"database_url": f"{URL}?pgbouncer=canary"}, "DATABASE_URL is wrong: it has another pgbouncer"),
        ({"auth_secret": "canary-" * 4}, "AUTH_SECRET is wrong: it must have at least 32 characters"),
        ({"openai_base_url": "canary"}, "OPENAI_BASE_URL is wrong: it must be an address of http or https"),
        ({"openai_base_url": "file:///canary"}, "OPENAI_BASE_URL is wrong"),
        ({"openai_base_url": "http://host:canary/"}, "OPENAI_BASE_URL is wrong"),
        ({"cookie_secure": "canary"}, "COOKIE_SECURE is wrong"),
        ({"log_level": "canary"}, "LOG_LEVEL is wrong"),
        ({"port": 0}, "PORT is wrong"),
        ({"shutdown_grace": -1}, "SHUTDOWN_GRACE is wrong"),
        ({"migrate_wait": -1}, "MIGRATE_WAIT is wrong"),
        ({"proxies": "canary"}, "PROXIES is wrong: it must be auto, or a number"),
        ({"proxies": 11}, "PROXIES is wrong"),
        ({"openai_timeout": 0}, "OPENAI_TIMEOUT is wrong"),
        ({"registrations_per_hour": 0}, "REGISTRATIONS_PER_HOUR is wrong"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule_and_without_its_value(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**{"database_url": URL, **values})
    (problem,) = problems(caught.value)
    assert problem.startswith(words)
    assert "canary" not in problem


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(auth_secret=None)
    assert [problem.split()[0] for problem in problems(caught.value)] == ["DATABASE_URL", "AUTH_SECRET"]


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("", 1, "peer"),
        ("203.0.113.9", 0, "peer"),
        ("203.0.113.9", 1, "203.0.113.9"),
        # What stands further left was claimed by the visitor.
        ("1.2.3.4, 203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 3, "203.0.113.9"),
        (" , ", 1, "peer"),
        ("1.2.3.4, 203.0.113.9", "auto", "203.0.113.9"),
        # A balancer before the ingress controller.
        ("1.2.3.4, 203.0.113.9, 10.0.0.2", "auto", "203.0.113.9"),
        ("1.2.3.4, 2001:db8::7, 100.64.3.2, fd00::2", "auto", "2001:db8::7"),
        ("203.0.113.9:50123, 10.0.0.2:443", "auto", "203.0.113.9:50123"),
        # Everybody is inside: the next proxy knows best.
        ("192.168.1.7", "auto", "192.168.1.7"),
        ("10.0.0.9, 10.0.0.2", "auto", "10.0.0.2"),
        ("", "auto", "peer"),
    ],
)
def test_a_visitors_address_is_what_our_own_proxies_saw(
    forwarded: str, proxies: int | Literal["auto"], expected: str
) -> None:
    given = headers(x_forwarded_for=forwarded) if forwarded else headers()
    assert client_address(given, "peer", proxies) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("100.127.0.1", True),
        ("[fd00::1]:443", True),
        ("::ffff:192.168.0.1", True),
        ("::1", True),
        ("203.0.113.9", False),
        ("8.8.8.8:80", False),
        ("2a00::1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_an_internal_address_may_be_a_balancers(address: str, expected: bool) -> None:
    assert is_internal(address) is expected


def test_two_headers_of_addresses_are_one_list() -> None:
    raw = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-for", b"203.0.113.9")]
    assert client_address(Headers(raw=raw), "peer", 1) == "203.0.113.9"


def test_https_is_what_the_proxy_says_before_what_the_connection_is() -> None:
    assert is_https(headers(x_forwarded_proto="https"), "http")
    assert is_https(headers(x_forwarded_proto="HTTPS, http"), "http")
    assert not is_https(headers(x_forwarded_proto="http"), "https")
    assert is_https(headers(), "https")


@pytest.mark.parametrize(
    ("method", "given", "status"),
    [
        ("GET", {"origin": "http://evil.example", "host": "todo.example"}, None),
        ("POST", {"host": "todo.example"}, None),
        ("POST", {"host": "todo.example", "content_length": "2"}, 415),
        ("POST", {"host": "todo.example", "transfer_encoding": "chunked"}, 415),
        ("POST", {"host": "todo.example", "content_length": "2", "content_type": "application/json"}, None),
        ("DELETE", {"host": "todo.example", "origin": "http://evil.example"}, 403),
        ("DELETE", {"origin": "http://todo.example"}, 403),
        ("DELETE", {"host": "[::1]:8000", "origin": "http://[::1]:8000"}, None),
        ("DELETE", {"host": "[::1", "origin": "http://[::1]:8000"}, 403),
        ("DELETE", {"host": "todo.example:x", "origin": "http://todo.example"}, 403),
        ("GET", {"content_length": "65537"}, 413),
        ("GET", {"content_length": "65536"}, None),
    ],
)
def test_what_is_refused_whatever_it_asks(method: str, given: dict[str, str], status: int | None) -> None:
    found = refusal(method, headers(**given))
    assert (found[0] if found else None) == status


def test_a_day_may_be_left_out_in_two_ways() -> None:
    assert read_day(None) is None
    assert read_day("") is None


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_no_registry_and_every_line_has_its_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index" not in text
    pinned = [line for line in text.splitlines() if line[:1].isalpha()]
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned) > 20


def test_the_image_runs_as_nobody_in_particular_and_needs_no_newer_builder() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "\nUSER 10001:10001\n" in text
    for newer in ("--mount", "<<", "# syntax="):
        assert newer not in text
