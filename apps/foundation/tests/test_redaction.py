"""No secret in any log: by names, inside texts, at every depth."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from foundation import logs
from foundation.redaction import REDACTED, Redactor

CANARY = "c4nary-Value"


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    "name", ["token", "TOKEN", "Refresh_Token", "clientSecret", "POSTGRES_PASSWORD", "apiKey", "x-credential-y", "key"]
)
def test_a_field_with_a_sensitive_name_never_shows_its_value_whatever_its_case(name: str) -> None:
    assert Redactor().value({name: CANARY}) == {name: REDACTED}


def test_redaction_reaches_every_depth_of_dictionaries_lists_and_tuples() -> None:
    nested = {"a": [{"b": ({"Password": CANARY}, {"plain": "stays"})}], "token": {"inner": [CANARY]}}
    assert Redactor().value(nested) == {
        "a": [{"b": [{"Password": REDACTED}, {"plain": "stays"}]}],
        "token": REDACTED,
    }


def test_a_structure_that_contains_itself_is_cut_off() -> None:
    loop: dict[str, Any] = {"token": CANARY}
    loop["again"] = loop
    text = json.dumps(Redactor().value(loop))
    assert CANARY not in text
    assert "[too deep]" in text


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+asyncpg://user:{CANARY}@db:5432/x",
        f"postgresql://:{CANARY}@db/x",
        f"redis://user:{CANARY}/with@odd@db",
        f"https://u:{CANARY}@h/?a=b and http://plain/",
        f"password={CANARY}",
        f"PASSWORD = '{CANARY} with blanks'",
        f'{{"refresh_token": "{CANARY}"}}',
        f"{{'client_secret': '{CANARY}', 'a': 1}}",
        f"?api_key={CANARY}&page=2",
        f"Authorization: Bearer {CANARY}",
        f"authorization: BASIC {CANARY}",
        f"X-Api-Key: {CANARY}",
        f"pwd:{CANARY}",
        f'"{{\\"token\\": \\"{CANARY}\\"}}"',
    ],
)
def test_a_text_loses_the_secret_in_it(text: str) -> None:
    assert CANARY not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://ollama:11434/api/tags",
        "SECRET_KEY is missing; set it in the environment",
        "health_check",
        "2026-11-21T09:41:39Z GET /config 200",
    ],
)
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize("secret", ["p@ss/w:rd%", "ends\\with'quote", "blank in it", "grüße"])
def test_a_known_secret_is_found_in_every_form_it_takes(secret: str) -> None:
    from urllib.parse import quote, quote_plus

    redactor = Redactor([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret), f"x{secret}y"):
        cleaned = redactor.text(f"before {form} after")
        assert REDACTED in cleaned
        assert secret not in cleaned


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == REDACTED


def test_an_objects_own_text_is_redacted_too() -> None:
    @dataclass
    class Account:
        name: str
        password: str

    assert CANARY not in str(Redactor().value({"account": Account("me", CANARY)}))
    assert CANARY not in str(
        Redactor().value({"error": ValueError(f"token={CANARY}"), "raw": f"key={CANARY}".encode()})
    )


def test_an_exception_and_the_one_behind_it_are_logged_without_their_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("some-service", "INFO", ["known-secret"])
    try:
        try:
            raise OSError(f"could not open postgresql://me:{CANARY}@db/x")
        except OSError as error:
            raise RuntimeError("with known-secret inside") from error
    except RuntimeError:
        logs.get_logger().exception("it_failed", step=1)
    output = capsys.readouterr().out
    assert CANARY not in output
    assert "known-secret" not in output
    line = json.loads(output)
    assert "OSError" in line["exception"]
    assert "RuntimeError" in line["exception"]


def test_every_line_is_json_with_timestamp_level_service_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("some-service")
    logs.get_logger().info("something", detail={"a": 1})
    logging.getLogger("some.library").warning("a library says %s", f"token={CANARY}")
    logs.get_logger().info("health_check", service="db")
    logs.get_logger().bind(session={"Secret": CANARY}).warning("bound")
    lines = logged(capsys)
    assert [line["event"] for line in lines] == [
        "something",
        "a library says token=[redacted]",
        "health_check",
        "bound",
    ]
    assert [line["service"] for line in lines] == ["some-service", "some-service", "db", "some-service"]
    assert [line["level"] for line in lines] == ["info", "warning", "info", "warning"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert CANARY not in str(lines)


def test_an_error_that_nobody_caught_is_one_json_line_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    logs.configure("some-service")
    error = RuntimeError(f"password={CANARY}")
    sys.excepthook(RuntimeError, error, None)
    (line,) = logged(capsys)
    assert line["event"] == "uncaught_error"
    assert CANARY not in str(line)


def test_a_text_that_is_no_unicode_can_be_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("some-service")
    logs.get_logger().info("odd", value="\ud800", raw=b"\xff\xfe")
    assert logged(capsys)[0]["event"] == "odd"
