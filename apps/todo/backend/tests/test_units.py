"""What needs no database: settings, where a request comes from, what the log leaves out, and the locks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from tests.conftest import settings
from todo_backend.config import problems
from todo_backend.inputs import read_day
from todo_backend.redaction import REDACTED, Redactor
from todo_backend.security import client_address, is_https, refusal

URL = "postgresql://todo:canary%40@db.example:5433/todo"
ROOT = Path(__file__).resolve().parent.parent


def headers(**values: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in values.items()})


def test_the_databases_address_is_made_fit_for_the_driver() -> None:
    url = settings(database_url=f"{URL}?sslmode=require&channel_binding=require").database
    assert url.drivername == "postgresql+asyncpg"
    assert (url.host, url.port, url.database, url.password, dict(url.query)) == (
        "db.example",
        5433,
        "todo",
        "canary@",
        {"ssl": "require"},
    )
    assert "canary" not in str(url)
    assert settings(database_url=URL.replace("postgresql:", "postgres:")).database.drivername == url.drivername


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"database_url": "mysql://a:canary@b/c"}, "DATABASE_URL is wrong: it must be written as postgresql://"),
        ({"database_url": "canary"}, "DATABASE_URL is wrong"),
        ({"database_url": "postgresql://canary@/c"}, "DATABASE_URL is wrong"),
        ({"database_url": f"{URL}?sslmode=canary"}, "DATABASE_URL is wrong: it has another sslmode"),
        ({"database_url": f"{URL}?options=x"}, "DATABASE_URL is wrong: it has the parameter 'options'"),
        ({"auth_secret": "canary-" * 4}, "AUTH_SECRET is wrong: it must have at least 32 characters"),
        ({"openai_base_url": "canary"}, "OPENAI_BASE_URL is wrong: it must be an address of http or https"),
        ({"openai_base_url": "file:///canary"}, "OPENAI_BASE_URL is wrong"),
        ({"openai_base_url": "http://host:canary/"}, "OPENAI_BASE_URL is wrong"),
        ({"cookie_secure": "canary"}, "COOKIE_SECURE is wrong"),
        ({"log_level": "canary"}, "LOG_LEVEL is wrong"),
        ({"port": 0}, "PORT is wrong"),
        ({"shutdown_grace": -1}, "SHUTDOWN_GRACE is wrong"),
        ({"migrate_wait": -1}, "MIGRATE_WAIT is wrong"),
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
    ],
)
def test_a_visitors_address_is_what_our_own_proxies_saw(forwarded: str, proxies: int, expected: str) -> None:
    given = headers(x_forwarded_for=forwarded) if forwarded else headers()
    assert client_address(given, "peer", proxies) == expected


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


def test_the_log_leaves_out_secrets_by_name_by_pattern_and_by_value() -> None:
    redactor = Redactor(["the-auth-secret", "p@ss/word"])
    assert redactor.field("openai_api_key", "x") == REDACTED
    text = redactor.text(
        "with the-auth-secret and p%40ss%2Fword, Bearer abcdefgh, postgresql://me:pw@host/x, token=abc"
    )
    for secret in ("the-auth-secret", "p%40ss", "abcdefgh", "pw@", "abc,"):
        assert secret not in text
    assert redactor.value({"a": [{"password": "x"}]}) == {"a": [{"password": REDACTED}]}


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
