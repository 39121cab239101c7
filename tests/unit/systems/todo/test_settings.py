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
from toolchain.versions import ROOT

IMAGE = "registry.example.org/todo-backend@sha256:" + "0" * 64
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
        ({"namespace": "To.do"}, "must be small letters"),
        ({"name": "1todo"}, "must be small letters"),
        ({"name": "t" * 41}, "at most 40"),
        ({"environment": "a\nb"}, "must be a short name"),
        ({"log-level": "LOUD"}, "Input should be"),
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
    assert Todo.model_validate(LEAST).kubeconfig_file(tmp_path) == Path.home() / ".kube/config"


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


def test_right_settings_become_a_model_and_no_machine_is_asked_for() -> None:
    given: dict[str, Any] = {"hosts": "{}", "todo": json.dumps({**LEAST, "ingress": {"host": "todo.example.org"}})}
    given |= dict.fromkeys(Todo.SECRETS, "x")
    settings = parse(given, set(Todo.SECRETS), PROJECT).systems["todo"]
    assert isinstance(settings, Todo)
    assert settings.ingress.host == "todo.example.org"
    assert settings.backend.replicas == settings.frontend.replicas == 2
