"""What the todo app's settings become: values of the chart, the Secret's content, the migration's Job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.todo import migration, secrets, values
from config.systems.todo import Todo
from lab.kubernetes.certificates import make_authority

IMAGE = "registry.example.org:5000/a/todo-backend@sha256:" + "0" * 64
AUTHORITY = make_authority().public
LEAST: dict[str, Any] = {"context": "minikube", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}
IMAGES = {"backend": IMAGE, "frontend": "docker.io/library/todo-frontend:1"}
SIGNING = "s" * 32
LOGIN = {"address": "registry.example.org", "user": "robot"}
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
        (
            {"ingress": {"host": "a.example.org", "own-certificate": True}},
            ("ingress", "tls"),
            [{"secretName": "todo-tls", "hosts": ["a.example.org"]}],
        ),
        (
            {"ingress": {"host": "a.example.org", "issuer": "letsencrypt"}},
            ("ingress", "annotations"),
            {"cert-manager.io/cluster-issuer": "letsencrypt"},
        ),
        (
            {
                "ingress": {
                    "host": "a.example.org",
                    "issuer": "ours",
                    "issuer-kind": "Issuer",
                    "annotations": {"a": "b"},
                }
            },
            ("ingress", "annotations"),
            {"cert-manager.io/issuer": "ours", "a": "b"},
        ),
        (
            {"name": "mine", "ingress": {"host": "a.example.org", "issuer": "letsencrypt"}},
            ("ingress", "tls", 0, "secretName"),
            "mine-tls",
        ),
        (
            {"ingress": {"host": "a.example.org", "issuer": "letsencrypt", "tls-secret": "crt"}},
            ("ingress", "tls", 0, "secretName"),
            "crt",
        ),
        ({"ingress": {"proxies": 2}}, ("config", "proxies"), 2),
        ({}, ("config", "proxies"), "auto"),
        ({}, ("migrations", "whenEmpty"), True),
        ({}, ("commonAnnotations", "pulumi.com/patchForce"), "true"),
        ({"registry-login": LOGIN}, ("imagePullSecrets",), [{"name": "todo-registry"}]),
        (
            {"registry-login": LOGIN, "values": {"imagePullSecrets": [{"name": "other"}]}},
            ("imagePullSecrets",),
            [{"name": "todo-registry"}, {"name": "other"}],
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
def test_a_setting_becomes_a_value_of_the_chart(settings: dict[str, Any], place: tuple[str | int, ...], value: Any):
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
    assert found["secrets"] == app()["secrets"]
    assert found["postgresql"]["persistence"] == {"enabled": False}
    assert "postgresql" not in app(values={"postgresql": {"user": "x"}})
    kept = values.database_values(todo(postgres={"enabled": True, "storage": "2Gi"}))
    assert kept["postgresql"]["persistence"] == {"enabled": True, "size": "2Gi"}


@pytest.mark.parametrize(
    ("further", "place", "value"),
    [
        ({"nameOverride": "list"}, ("nameOverride",), "list"),
        ({"commonLabels": {"a": "b"}}, ("commonLabels",), {"a": "b"}),
        ({"commonAnnotations": {"a": "b"}}, ("commonAnnotations", "a"), "b"),
        ({"commonAnnotations": {"a": "b"}}, ("commonAnnotations", "pulumi.com/patchForce"), "true"),
        ({"networkPolicy": {"enabled": False}}, ("networkPolicy",), {"enabled": False}),
        ({"openshift": True}, ("openshift",), True),
        ({"imagePullSecrets": [{"name": "r"}]}, ("imagePullSecrets",), [{"name": "r"}]),
        ({"serviceAccount": {"name": "mine"}}, ("serviceAccount",), {"name": "mine", "create": False}),
        ({"backend": {"replicas": 9}, "ingress": {"className": "x"}}, ("backend",), {"enabled": False}),
    ],
)
def test_what_is_about_every_object_reaches_the_database_too(
    further: dict[str, Any], place: tuple[str, ...], value: Any
):
    found: Any = values.database_values(todo(postgres={"enabled": True}, values=further))
    for step in place:
        found = found[step]
    assert found == value


def test_the_migration_is_let_in_by_the_databases_network_policy_whatever_its_labels_are_called():
    further = {"nameOverride": "list", "commonLabels": {"team": "a"}, "serviceAccount": {"create": False, "name": "s"}}
    template = migration.job_spec(todo(values=further), IMAGE)["template"]
    assert template["metadata"]["labels"] == {
        "team": "a",
        "app.kubernetes.io/name": "list",
        "app.kubernetes.io/instance": "todo",
        "app.kubernetes.io/component": "migrations",
    }
    assert template["spec"]["serviceAccountName"] == "s"
    assert values.metadata(todo(values=further), "x")["labels"] == {"team": "a"}
    # An empty group is none in the API server, and would show as drift.
    assert "labels" not in values.metadata(todo(), "x")


def test_the_migration_has_the_backends_variables_volumes_and_security_context():
    backend = {
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraEnvFrom": [{"configMapRef": {"name": "m"}}],
        "extraVolumes": [{"name": "v", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
        "podSecurityContext": {"fsGroup": 7},
        "securityContext": {"runAsUser": 8},
    }
    pod = migration.job_spec(todo(values={"backend": backend}), IMAGE)["template"]["spec"]
    (container,) = pod["containers"]
    assert container["env"][-1] == {"name": "A", "value": "b"}
    assert container["envFrom"] == [{"configMapRef": {"name": "m"}}]
    assert pod["volumes"][-1] == {"name": "v", "emptyDir": {}}
    assert container["volumeMounts"][-1] == {"name": "v", "mountPath": "/v"}
    assert (pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsNonRoot"]) == (7, True)
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["readOnlyRootFilesystem"]) == (
        8,
        True,
    )


def test_no_pod_asks_for_a_number_of_its_own_which_openshift_would_refuse():
    pod = migration.job_spec(todo(), IMAGE)["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_migration_that_failed_is_made_anew():
    annotations = migration.job_metadata(todo(), IMAGE, "digest")["annotations"]
    assert annotations["pulumi.com/replaceUnready"] == "true"


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("registry.example.org:5000", "registry.example.org:5000"),
        ("ghcr.io", "ghcr.io"),
        ("docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_a_registrys_login_is_as_docker_writes_it(address: str, server: str):
    content = json.loads(secrets.registry_data(address, "robot", "p:w")[".dockerconfigjson"])
    assert content == {"auths": {server: {"username": "robot", "password": "p:w", "auth": "cm9ib3Q6cDp3"}}}


def test_the_databases_address_follows_further_values():
    further = {"postgresql": {"user": "u", "database": "d"}}
    settings = todo(postgres={"enabled": True}, values=further)
    assert secrets.database_url(settings, "p") == "postgresql://u:p@todo-postgresql:5432/d"


def test_the_secret_holds_what_was_given():
    given = {"todo-auth-secret": SIGNING, "todo-database-url": "postgresql://a:b@db/c", "todo-openai-api-key": ""}
    assert secrets.secret_data(todo(), given) == {"AUTH_SECRET": SIGNING, "DATABASE_URL": "postgresql://a:b@db/c"}
    trusting = todo(**{"database-ca": AUTHORITY})
    assert secrets.secret_data(trusting, given)["DATABASE_CA"] == AUTHORITY
    with_key = secrets.secret_data(todo(), {**given, "todo-openai-api-key": "sk"})
    assert with_key["OPENAI_API_KEY"] == "sk"


def test_a_password_of_any_characters_fits_into_the_databases_address():
    given = {"todo-auth-secret": SIGNING, "todo-postgres-password": "a/b@c:d%e f"}
    found = secrets.secret_data(todo(postgres={"enabled": True}), given)
    assert found["DATABASE_URL"] == "postgresql://todo:a%2Fb%40c%3Ad%25e%20f@todo-postgresql:5432/todo"
    assert found["POSTGRES_PASSWORD"] == "a/b@c:d%e f"


def test_the_secrets_mark_changes_with_each_of_its_values_and_holds_none():
    data = {"AUTH_SECRET": SIGNING, "DATABASE_URL": "postgresql://a:b@db/c"}
    marks = {
        secrets.keyed_digest(data),
        secrets.keyed_digest({**data, "DATABASE_URL": "postgresql://a:b@db/d"}),
        secrets.keyed_digest({**data, "AUTH_SECRET": "t" * 32}),
        secrets.keyed_digest({**data, "OPENAI_API_KEY": "sk"}),
    }
    assert len(marks) == 4
    assert all(len(mark) == 16 for mark in marks)


def test_another_image_or_another_database_is_another_migration():
    names = {
        migration.job_name(todo(), IMAGE, "one"),
        migration.job_name(todo(), IMAGE, "two"),
        migration.job_name(todo(), IMAGES["frontend"], "one"),
    }
    assert len(names) == 3
    assert migration.job_name(todo(), IMAGE, "one") in names


def test_a_setting_that_is_neither_image_nor_database_leaves_the_migrations_pod_as_it_is():
    changed = todo(**{"log-level": "DEBUG", "environment": "other", "start-timeout": 99})
    assert migration.job_spec(changed, IMAGE)["template"] == migration.job_spec(todo(), IMAGE)["template"]


def test_the_migration_refers_to_the_secret_and_fits_the_level_restricted():
    spec = migration.job_spec(todo(**{"start-timeout": 45}), IMAGE)
    assert spec["activeDeadlineSeconds"] == 45
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["todo-backend", "migrate"]
    assert container["image"] == IMAGE
    references = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in container["env"]}
    assert references["DATABASE_URL"] == {"name": "todo-secrets", "key": "DATABASE_URL"}
    assert references["DATABASE_CA"]["optional"] is True
    assert "AUTH_SECRET" not in references, "a migration signs nothing"
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
