"""What the todo app's settings become: values of the chart, the Secret's content, the migration's Job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.todo import values
from config.systems.todo import Todo

IMAGE = "registry.example.org:5000/a/todo-backend@sha256:" + "0" * 64
LEAST: dict[str, Any] = {"context": "minikube", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}
IMAGES = {"backend": IMAGE, "frontend": "docker.io/library/todo-frontend:1"}
SIGNING = "s" * 32
FIRST = "config.kubernetes.io/depends-on"


def todo(**further: Any) -> Todo:
    return Todo.model_validate({**LEAST, **further})


def app(**further: Any) -> dict[str, Any]:
    return values.app_values(todo(**further), IMAGES, "digest")


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("docker.io/library/todo:1.2", ("docker.io/library/todo", "1.2", "")),
        ("registry:5000/hearth/todo", ("registry:5000/hearth/todo", "", "")),
        ("registry:5000/hearth/todo@sha256:ab", ("registry:5000/hearth/todo", "", "sha256:ab")),
        ("r.example.org/todo:1@sha256:ab", ("r.example.org/todo", "1", "sha256:ab")),
    ],
)
def test_an_images_name_is_taken_apart(reference: str, parts: tuple[str, str, str]):
    assert tuple(values.image_values(reference).values()) == parts


@pytest.mark.parametrize(
    ("settings", "place", "value"),
    [
        ({}, ("fullnameOverride",), "todo"),
        ({"name": "mine"}, ("secrets", "existingSecret"), "mine-secrets"),
        ({"start-timeout": 60}, ("commonAnnotations", "pulumi.com/timeoutSeconds"), "60"),
        ({"backend": {"image": IMAGE, "replicas": 3}}, ("backend", "replicas"), 3),
        ({}, ("backend", "image", "digest"), "sha256:" + "0" * 64),
        ({}, ("frontend", "image", "tag"), "1"),
        ({}, ("backend", "podAnnotations", "checksum/secret"), "digest"),
        ({}, ("backend", "annotations", FIRST), "/namespaces/todo/ConfigMap/todo"),
        ({"name": "a", "namespace": "b"}, ("frontend", "annotations", FIRST), "/namespaces/b/ConfigMap/a"),
        ({"ingress": {"host": "a.example.org"}}, ("ingress", "host"), "a.example.org"),
        ({"ingress": {"class-name": "traefik"}}, ("ingress", "className"), "traefik"),
        ({"ingress": {"annotations": {"a": "b"}}}, ("ingress", "annotations"), {"a": "b"}),
        ({"ingress": {"wait": False}}, ("ingress", "annotations"), {"pulumi.com/skipAwait": "true"}),
        ({}, ("ingress", "tls"), []),
        (
            {"ingress": {"host": "a.example.org", "tls-secret": "crt"}},
            ("ingress", "tls"),
            [{"secretName": "crt", "hosts": ["a.example.org"]}],
        ),
        ({"environment": "trial"}, ("config", "environment"), "trial"),
        ({"log-level": "DEBUG"}, ("config", "logLevel"), "DEBUG"),
        ({"assistant": {"url": "http://llm:8080/v1"}}, ("config", "openaiBaseUrl"), "http://llm:8080/v1"),
        ({"assistant": {"url": "http://llm:8080/v1"}}, ("networkPolicy", "openaiPorts"), [8080]),
        ({"assistant": {"url": "http://llm/v1"}}, ("networkPolicy", "openaiPorts"), [80]),
        ({}, ("networkPolicy", "openaiPorts"), [443]),
        ({"assistant": {"model": "small"}}, ("config", "openaiModel"), "small"),
        ({"database-port": 6432}, ("networkPolicy", "databasePorts"), [6432]),
        ({}, ("migrations", "mode"), "none"),
        ({"values": {"backend": {"replicas": 5}}}, ("backend", "replicas"), 5),
        ({"values": {"backend": {"resources": {"limits": {"memory": "1Gi"}}}}}, ("backend", "image", "tag"), ""),
        ({"values": {"gateway": {"enabled": True}}}, ("gateway",), {"enabled": True}),
    ],
)
def test_a_setting_becomes_a_value_of_the_chart(settings: dict[str, Any], place: tuple[str, ...], value: Any):
    found: Any = app(**settings)
    for step in place:
        found = found[step]
    assert found == value


def test_the_database_comes_before_the_rest_and_has_the_same_names():
    found = values.database_values(
        todo(postgres={"enabled": True}, values={"postgresql": {"user": "x"}, "frontend": {}})
    )
    assert [found[part]["enabled"] for part in ("backend", "frontend", "ingress", "postgresql")] == [False] * 3 + [True]
    assert found["fullnameOverride"] == app()["fullnameOverride"]
    assert found["postgresql"]["user"] == "x"
    assert found["postgresql"]["persistence"] == {"enabled": False}
    assert "postgresql" not in app(values={"postgresql": {"user": "x"}})
    kept = values.database_values(todo(postgres={"enabled": True, "storage": "2Gi"}))
    assert kept["postgresql"]["persistence"] == {"enabled": True, "size": "2Gi"}


def test_the_secret_holds_what_was_given():
    given = {"todo-auth-secret": SIGNING, "todo-database-url": "postgresql://a:b@db/c", "todo-openai-api-key": ""}
    assert values.secret_data(todo(), given) == {"AUTH_SECRET": SIGNING, "DATABASE_URL": "postgresql://a:b@db/c"}
    with_key = values.secret_data(todo(), {**given, "todo-openai-api-key": "sk"})
    assert with_key["OPENAI_API_KEY"] == "sk"


def test_a_password_of_any_characters_fits_into_the_databases_address():
    given = {"todo-auth-secret": SIGNING, "todo-postgres-password": "a/b@c:d%e f"}
    found = values.secret_data(todo(postgres={"enabled": True}), given)
    assert found["DATABASE_URL"] == "postgresql://todo:a%2Fb%40c%3Ad%25e%20f@todo-postgresql:5432/todo"
    assert found["POSTGRES_PASSWORD"] == "a/b@c:d%e f"


def test_the_secrets_mark_changes_with_each_of_its_values_and_holds_none():
    data = {"AUTH_SECRET": SIGNING, "DATABASE_URL": "postgresql://a:b@db/c"}
    marks = {
        values.keyed_digest(data),
        values.keyed_digest({**data, "DATABASE_URL": "postgresql://a:b@db/d"}),
        values.keyed_digest({**data, "AUTH_SECRET": "t" * 32}),
        values.keyed_digest({**data, "OPENAI_API_KEY": "sk"}),
    }
    assert len(marks) == 4
    assert all(len(mark) == 16 for mark in marks)


def test_another_image_or_another_database_is_another_migration():
    names = {
        values.migration_name(todo(), IMAGE, "one"),
        values.migration_name(todo(), IMAGE, "two"),
        values.migration_name(todo(), IMAGES["frontend"], "one"),
    }
    assert len(names) == 3
    assert values.migration_name(todo(), IMAGE, "one") in names


def test_a_setting_that_is_neither_image_nor_database_leaves_the_migrations_pod_as_it_is():
    changed = todo(**{"log-level": "DEBUG", "environment": "other", "start-timeout": 99})
    assert values.migration_spec(changed, IMAGE)["template"] == values.migration_spec(todo(), IMAGE)["template"]


def test_the_migration_refers_to_the_secret_and_fits_the_level_restricted():
    spec = values.migration_spec(todo(**{"start-timeout": 45}), IMAGE)
    assert spec["activeDeadlineSeconds"] == 45
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["todo-backend", "migrate"]
    assert container["image"] == IMAGE
    references = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in container["env"]}
    assert references["DATABASE_URL"] == {"name": "todo-secrets", "key": "DATABASE_URL"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert json.dumps(spec)


@pytest.mark.parametrize(
    ("further", "counts"),
    [
        ({}, {"backend": 2, "frontend": 2}),
        ({"backend": {"replicas": 4}}, {"backend": 4, "frontend": 2}),
        ({"frontend": {"autoscaling": {"enabled": True, "minReplicas": 3}}}, {"backend": 2, "frontend": 3}),
    ],
)
def test_the_number_of_pods_is_what_values_and_defaults_say(further: dict[str, Any], counts: dict[str, int]):
    assert values.fewest_pods(further) == counts
