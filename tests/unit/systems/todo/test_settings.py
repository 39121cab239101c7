"""Settings of the todo app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.loader import parse
from config.mistakes import WrongSettings
from config.systems.todo import Todo
from lab.kubernetes.certificates import make_authority
from toolchain.versions import ROOT

IMAGE = "registry.example.org/todo-backend@sha256:" + "0" * 64
AUTHORITY = make_authority().public
LEAST: dict[str, Any] = {"context": "minikube", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}
PROJECT = ROOT


def rejected(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Todo.model_validate({**LEAST, **values})
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": {}}, "give exactly one of them"),
        ({"backend": {"image": IMAGE, "registry": "r.example.org/todo"}}, "give exactly one of them"),
        ({"backend": {"registry": "r.example.org/todo:1"}}, "neither tag nor digest"),
        ({"backend": {"registry": IMAGE}}, "neither tag nor digest"),
        ({"backend": {"image": IMAGE, "replicas": 0}}, "greater than or equal to 1"),
        ({"backend": {"image": "todo-backend"}}, "with its registry"),
        ({"frontend": {"registry": "r.example.org/todo", "platforms": []}}, "at least 1"),
        ({"context": ""}, "at least 1 character"),
        ({"namespace": "kube-system"}, "a namespace of the app's own"),
        ({"namespace": "To.do"}, "must be lowercase letters"),
        ({"name": "1todo"}, "must be lowercase letters"),
        ({"name": "t" * 41}, "at most 40"),
        ({"environment": "a\nb"}, "must be a short name"),
        ({"log-level": "LOUD"}, "Input should be"),
        ({"ingress": {"host": "a.example.org", "own-certificate": True, "issuer": "i"}}, "remove one of them"),
        ({"ingress": {"own-certificate": True}}, "own-certificate needs host"),
        ({"ingress": {"issuer": "i"}}, "issuer needs host"),
        ({"ingress": {"issuer-kind": "Issuer"}}, "issuer-kind needs issuer"),
        ({"ingress": {"host": "a.example.org", "issuer": "Let's Encrypt"}}, "an object's name in Kubernetes"),
        ({"ingress": {"proxies": 11}}, "less than or equal to 10"),
        ({"ingress": {"proxies": "some"}}, "'auto'"),
        ({"registry-login": {"address": "https://ghcr.io", "user": "a"}}, "the registry's name"),
        ({"registry-login": {"address": "ghcr.io", "user": "a:b"}}, "a user's name without blanks"),
        ({"database-ca": "-----BEGIN"}, "certificates in PEM"),
        ({"database-ca": AUTHORITY, "postgres": {"enabled": True}}, "is for a database elsewhere"),
        ({"values": {"fullnameOverride": "x"}}, "write hearth:todo.name"),
        ({"values": {"secrets": {"databaseUrl": "x"}}}, "write the secret keys"),
        ({"values": {"migrations": {"mode": "hook"}}}, "is a Job of its own"),
        ({"values": {"postgresql": {"enabled": True}}}, "hearth:todo.postgres.enabled"),
        ({"data": "maybe"}, "'keep' or 'remove'"),
        ({"ingress": {"host": "https://todo.example.org"}}, "without scheme and port"),
        ({"ingress": {"tls-secret": "todo-tls"}}, "tls-secret needs host"),
        ({"ingress": {"address": "http://10.0.0.1"}}, "must be an address"),
        ({"assistant": {"url": "ftp://a"}}, "of http or https"),
        ({"assistant": {"model": ""}}, "at least 1 character"),
        ({"postgres": {"storage": "1 GB"}}, "write it as 512Mi"),
        ({"postgres": {"image": "postgres"}}, "with its registry"),
        ({"database-port": 0}, "greater than or equal to 1"),
        ({"reach-timeout": 0}, "greater than or equal to 1"),
        ({"start-timeout": 1}, "greater than or equal to 10"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_rule(values: dict[str, Any], message: str) -> None:
    assert message in rejected(**values)


def test_a_kubeconfig_is_found_from_the_projects_folder_or_from_home(tmp_path: Path) -> None:
    assert Todo.model_validate({**LEAST, "kubeconfig": ".lab/kubeconfig"}).kubeconfig_file(tmp_path) == (
        tmp_path / ".lab/kubeconfig"
    )
    assert Todo.model_validate({**LEAST, "kubeconfig": "~/.kube/other"}).kubeconfig_file(tmp_path) == (
        Path.home() / ".kube/other"
    )
    # As kubectl finds it, on each computer its own.
    assert Todo.model_validate(LEAST).kubeconfig_file(tmp_path) is None


@pytest.mark.parametrize(
    ("postgres", "missing"),
    [
        ({}, {"hearth:todo-auth-secret", "hearth:todo-database-url"}),
        ({"enabled": True}, {"hearth:todo-auth-secret", "hearth:todo-postgres-password"}),
    ],
)
def test_up_names_the_secrets_that_are_missing(postgres: dict[str, Any], missing: set[str]) -> None:
    given = {"hosts": "{}", "todo": json.dumps({**LEAST, "postgres": postgres})}
    with pytest.raises(WrongSettings) as caught:
        parse(given, set(), PROJECT)
    assert {mistake.path for mistake in caught.value.mistakes} == missing
    assert {mistake.path for mistake in parse(given, set(), PROJECT, preview=True).missing} == missing


def test_a_login_and_a_certificate_need_secrets() -> None:
    login = {"registry-login": {"address": "ghcr.io", "user": "robot"}}
    own = {"ingress": {"host": "a.example.org", "own-certificate": True}}
    found = Todo.model_validate({**LEAST, **login, **own}).required_secrets()
    assert set(found) - {"todo-auth-secret", "todo-database-url"} == {
        "todo-registry-password",
        "todo-tls-certificate",
        "todo-tls-key",
    }


@pytest.mark.parametrize(
    ("postgres", "data", "keeps"),
    [
        ({}, "keep", False),
        ({"enabled": True}, "keep", False),
        ({"enabled": True, "storage": "1Gi"}, "keep", True),
        ({"enabled": True, "storage": "1Gi"}, "remove", False),
    ],
)
def test_data_is_kept_where_there_is_a_volume(postgres: dict[str, Any], data: str, keeps: bool) -> None:
    assert Todo.model_validate({**LEAST, "postgres": postgres, "data": data}).keeps_data is keeps


def test_right_settings_become_a_model_and_no_machine_is_asked_for() -> None:
    given: dict[str, Any] = {"hosts": "{}", "todo": json.dumps({**LEAST, "ingress": {"host": "todo.example.org"}})}
    given |= {"todo-auth-secret": "x" * 32, "todo-database-url": "postgresql://todo:x@db.example.org/todo"}
    settings = parse(given, set(Todo.SECRETS), PROJECT).systems["todo"]
    assert isinstance(settings, Todo)
    assert settings.ingress.host == "todo.example.org"
    assert settings.backend.replicas == settings.frontend.replicas == 2
