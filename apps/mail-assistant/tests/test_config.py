"""What the environment may say, and what is said about it when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mail_assistant.config import problems
from tests.conftest import OnlyGiven, settings

GOOD: dict[str, Any] = {"postgres_password": "a-password"}


def mistakes(**values: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        settings(**values)
    return problems(caught.value)


def test_a_missing_secret_key_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        OnlyGiven(**GOOD, host="127.0.0.1")
    (line,) = problems(caught.value)
    assert line.startswith("SECRET_KEY is missing; set it")


def test_without_a_password_and_a_url_the_database_is_unknown() -> None:
    (line,) = mistakes()
    assert line == "POSTGRES_PASSWORD is missing (or DATABASE_URL instead of it); set it in the environment or in .env"


@pytest.mark.parametrize("url", ["mysql://u:canary@h/d", "canary", "postgresql:canary", "http://canary"])
def test_a_database_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    (line,) = mistakes(database_url=url)
    assert line.startswith("DATABASE_URL must be written as")
    assert "canary" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("db_connect_attempts", 0),
        ("db_connect_attempts", "many"),
        ("db_connect_delay_seconds", -1),
        ("postgres_port", 70000),
        ("port", 0),
        ("log_level", "LOUD"),
        ("ollama_base_url", "ollama:11434"),
        ("ollama_base_url", "ftp://ollama"),
        ("ollama_base_url", "http://ollama:99999"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(name: str, value: object) -> None:
    (line,) = mistakes(**GOOD, **{name: value})
    assert line.startswith(f"{name.upper()} is wrong: it ")


def test_the_defaults_are_those_of_the_documentation() -> None:
    chosen = settings(**GOOD)
    assert (chosen.db_connect_attempts, chosen.db_connect_delay_seconds) == (5, 2)
    assert chosen.ollama_base_url is None
    assert chosen.port == 8000


@pytest.mark.parametrize("password", ["simple", "p@ss/w:rd%", "with blank", "ü?#&="])
def test_a_password_of_any_characters_reaches_the_database_as_it_is(password: str) -> None:
    assert settings(postgres_password=password).database.password == password


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_a_database_url_of_any_usual_scheme_is_taken(scheme: str) -> None:
    url = settings(database_url=f"{scheme}://me:secret@db:5433/name").database
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+asyncpg", "db", 5433, "name")


def test_secrets_do_not_show_in_the_settings_own_text() -> None:
    chosen = settings(
        postgres_password="canary-1", gmail_refresh_token="canary-2", database_url="postgresql://a:canary-3@h/d"
    )
    assert "canary" not in repr(chosen) + str(chosen) + str(chosen.database)
    assert {"canary-1", "canary-2", "canary-3"} <= set(chosen.secrets())


REACHED = [
    {"host": "0.0.0.0"},
    {"host": "::"},
    {"host": "192.168.1.20"},
    {"host": "pi.local"},
    {"host": "127.0.0.1", "published_on": "0.0.0.0"},
    {"host": "0.0.0.0", "published_on": "127.0.0.1,192.168.1.20"},
    {"host": "0.0.0.0", "published_on": "127.0.0.1 [fd00::1]"},
    {"host": "127.0.0.1", "published_on": "::ffff:192.168.1.20"},
]
ALONE = [
    {"host": "127.0.0.1"},
    {"host": "127.8.9.1"},
    {"host": "::1"},
    {"host": "localhost"},
    {"host": "0.0.0.0", "published_on": "127.0.0.1"},
    {"host": "0.0.0.0", "published_on": "127.0.0.1,[::1]"},
    {"host": "0.0.0.0", "published_on": "::ffff:127.0.0.1"},
]


@pytest.mark.parametrize("values", REACHED, ids=str)
def test_where_others_can_come_a_password_is_needed_and_its_lack_is_told_with_a_remedy(values: dict[str, str]) -> None:
    (line,) = mistakes(**GOOD, **values)
    assert line.startswith("ACCESS_PASSWORD is missing, and others can reach")
    assert "SIGN_IN=never" in line
    assert settings(**GOOD, **values, access_password="several words here").access_password
    assert settings(**GOOD, **values, sign_in="never").access_password is None


@pytest.mark.parametrize("values", ALONE, ids=str)
def test_where_only_this_machine_can_come_none_is_needed_unless_it_is_asked_for(values: dict[str, str]) -> None:
    assert settings(**GOOD, **values).access_password is None
    (line,) = mistakes(**GOOD, **values, sign_in="always")
    assert line.startswith("ACCESS_PASSWORD is missing")


def test_a_password_that_nobody_is_asked_for_is_a_mistake() -> None:
    (line,) = mistakes(**GOOD, access_password="canary-password", sign_in="never")
    assert line.startswith("SIGN_IN is never")
    assert "canary" not in line


def test_a_password_that_can_be_guessed_is_refused_without_being_shown() -> None:
    (line,) = mistakes(**GOOD, access_password="canary-pass")
    assert line.startswith("ACCESS_PASSWORD is wrong: it must have at least 12 characters")
    assert "canary" not in line
    assert "canary-password" in settings(**GOOD, access_password="canary-password").secrets()


@pytest.mark.parametrize(
    "wrong", ["http://pi.local", "pi.local:8000", "*", "a..b", "*.*.org", "pi_local/", "-pi", "ü.org"]
)
def test_what_is_no_hosts_name_is_refused_by_the_variables_name(wrong: str) -> None:
    (line,) = mistakes(**GOOD, allowed_hosts=f"good.example {wrong}")
    assert line.startswith("ALLOWED_HOSTS is wrong: it holds")
