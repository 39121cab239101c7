"""Settings of the core stack, and compose.yaml, which is made from the same model."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.core import compose
from components.core.containers import containers
from config.systems.core import Core, memory_bytes, postgres_data, postgres_major, postgres_mount

EXAMPLE = compose.COMPOSE_FILE.with_name(".env.example")


def rejected(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Core.model_validate({"host": "pi", **values})
    return str(caught.value)


def test_compose_yaml_is_what_the_model_says() -> None:
    assert compose.COMPOSE_FILE.read_text() == compose.text(), "stale; run: python -m components.core.compose"


def test_compose_yaml_has_what_the_task_list_asks_for() -> None:
    content = yaml.safe_load(compose.text())
    postgres, backend, ollama = (content["services"][name] for name in ("postgres", "backend", "ollama"))
    assert "pg_isready" in postgres["healthcheck"]["test"]
    assert postgres["volumes"] == ["postgres_data:/var/lib/postgresql/data"]
    assert backend["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert ollama["profiles"] == ["ai"]
    assert [entry["mem_limit"] for entry in (postgres, backend, ollama)] == ["512M", "512M", "1G"]
    assert content["volumes"].keys() == {"postgres_data", "ollama_data"}
    assert backend["read_only"] is True


def test_every_variable_of_compose_yaml_is_in_the_example_and_required_ones_have_a_message() -> None:
    text = compose.text()
    named = set(re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == named
    assert set(re.findall(r"\$\{([A-Z_]+):\?", text)) == {"POSTGRES_PASSWORD", "SECRET_KEY"}
    empty = set(re.findall(r"^([A-Z_]+)=$", EXAMPLE.read_text(), re.MULTILINE))
    assert {"POSTGRES_PASSWORD", "SECRET_KEY"} <= empty, "the example must hold no secret"


def test_a_dollar_in_a_value_is_no_variable_of_compose() -> None:
    settings = Core.model_validate({"host": "pi"})
    (postgres, *_) = containers(settings, with_ollama=False)
    changed = compose._environment(  # pyright: ignore[reportPrivateUsage]
        type(postgres)(**{**postgres.__dict__, "environment": {"X": "a$b"}, "variables": {}})
    )
    assert changed == {"X": "a$$b"}


def test_without_ollama_the_backend_knows_none() -> None:
    plain = containers(Core(host="pi"), with_ollama=False)
    assert [container.service for container in plain] == ["postgres", "backend"]
    assert plain[1].environment["OLLAMA_BASE_URL"] == ""
    elsewhere = Core.model_validate({"host": "pi", "ollama": {"url": "http://192.168.1.5:11434"}})
    assert containers(elsewhere, with_ollama=False)[1].environment["OLLAMA_BASE_URL"] == "http://192.168.1.5:11434"
    with_ai = containers(Core(host="pi", ai=True), with_ollama=True)
    assert with_ai[1].environment["OLLAMA_BASE_URL"] == "http://ollama:11434"


def test_no_secret_is_in_a_plain_environment() -> None:
    for container in containers(Core(host="pi", ai=True), with_ollama=True):
        assert not any(re.search("PASSWORD|SECRET|TOKEN", name) for name in container.environment)
        assert {variable.secret for variable in container.variables.values()} <= Core.SECRETS.keys()


@pytest.mark.parametrize(
    ("image", "major", "mount", "data"),
    [
        ("docker.io/library/postgres:16", 16, "/var/lib/postgresql/data", "/var/lib/postgresql/data/16"),
        ("docker.io/library/postgres:17.5-alpine", 17, "/var/lib/postgresql/data", "/var/lib/postgresql/data/17"),
        ("docker.io/library/postgres:18", 18, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
        ("r:5000/p:18-trixie@sha256:" + "0" * 64, 18, "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
    ],
)
def test_the_tag_of_a_postgres_image_tells_where_its_data_is(image: str, major: int, mount: str, data: str) -> None:
    assert (postgres_major(image), postgres_mount(image), postgres_data(image)) == (major, mount, data)


def test_memory_is_counted_in_powers_of_two() -> None:
    assert (memory_bytes("512M"), memory_bytes("1G")) == (536870912, 1073741824)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": {"memory": "512"}}, "write it as 512M or 1G"),
        ({"backend": {"memory": "32M"}}, "must be 64M or more"),
        ({"postgres": {"image": "docker.io/library/postgres:latest"}}, "must name its major version"),
        ({"postgres": {"image": "docker.io/library/postgres"}}, "must name its major version"),
        ({"backend": {"image": "docker.io/a/b:1", "registry": "docker.io/a/b"}}, "remove one of them"),
        ({"backend": {"registry": "docker.io/a/b@sha256:" + "0" * 64}}, "must have no digest"),
        ({"ollama": {"url": "http://me:secret@ollama"}}, "without a user"),
        ({"ai": True, "ollama": {"url": "http://ollama:11434"}}, "remove ollama.url, or turn ai off"),
        ({"backup": {"at": "3:15"}}, "must be a time of day"),
        ({"backup": {"keep": 0}}, "greater than or equal to 1"),
        ({"backup": {"folder": "backups"}}, "must be an absolute path"),
        ({"start-timeout": 1}, "greater than or equal to 10"),
        ({"backend": {"platforms": []}}, "at least 1"),
        ({"backend": {"allowed-hosts": ["http://pi.local"]}}, "without http:// and port"),
        ({"backend": {"allowed-hosts": ["pi.local:8000"]}}, "without http:// and port"),
        ({"backend": {"allowed-hosts": ["*"]}}, "without http:// and port"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_rule(values: dict[str, Any], message: str) -> None:
    assert message in rejected(**values)


@pytest.mark.parametrize(
    ("backend", "needed"),
    [
        ({}, True),
        ({"addresses": ["127.0.0.1"]}, False),
        ({"addresses": ["127.0.0.1", "::1"]}, False),
        ({"addresses": ["127.0.0.1", "192.168.1.20"]}, True),
        ({"addresses": ["fd00::1"]}, True),
        ({"addresses": ["127.0.0.1"], "sign-in": "always"}, True),
        ({"sign-in": "never"}, False),
    ],
)
def test_a_password_for_the_pages_is_needed_where_others_can_reach_them(backend: dict[str, Any], needed: bool) -> None:
    settings = Core.model_validate({"host": "pi", "backend": backend})
    assert ("core-access-password" in settings.required_secrets()) == needed
    environment = containers(settings, with_ollama=False)[1].environment
    assert environment["PUBLISHED_ON"].split() == sorted(str(each) for each in settings.backend.addresses)
    assert environment["SIGN_IN"] == settings.backend.sign_in
