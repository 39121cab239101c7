"""The todo app's chart: every value that changes an object, and what must hold whatever the values are."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from checks.todo.objects import lacks
from tests.lab.systems.todo.chart_cases import (
    ALWAYS,
    BACKEND,
    CONTAINER,
    DATABASE,
    FRONTEND,
    PART,
    POD,
    PRESENCE,
    SETS,
    WHOLE,
)
from tests.lab.systems.todo.helm import CHART, GIVEN, TEMPLATE, Rendered, helm, refusal, render


@pytest.mark.parametrize("part", ["backend", "frontend"])
@pytest.mark.parametrize(("values", "place", "found"), PART)
def test_a_parts_value_changes_its_deployment(
    part: str, values: dict[str, Any], place: tuple[str | int, ...], found: Any
):
    assert render({part: values}).at(f"Deployment/todo-{part}", *place) == found


@pytest.mark.parametrize(("values", "name", "place", "found"), WHOLE)
def test_a_value_changes_its_object(values: dict[str, Any], name: str, place: tuple[str | int, ...], found: Any):
    assert render(values).at(name, *place) == found


@pytest.mark.parametrize(("values", "more", "fewer"), PRESENCE)
def test_objects_come_and_go_with_their_values(values: dict[str, Any], more: set[str], fewer: set[str]):
    assert render(values).names == (ALWAYS | more) - fewer


def _leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set[tuple[str, ...]]()
    for key, value in values.items():
        found |= _leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key)}
    return found


def test_every_value_of_the_chart_is_in_one_of_these_tables():
    """So that a value that is added, and then forgotten in a template, is seen."""
    tried = {path[:2] if path[0] in ("config", "secrets") else path for values, *_ in WHOLE for path in _leaves(values)}
    tried |= {path for values, *_ in PRESENCE for path in _leaves(values)}
    tried |= {(part, *path) for part in ("backend", "frontend") for values, *_ in PART for path in _leaves(values)}
    shallow = {path[:depth] for path in tried for depth in range(1, len(path) + 1)}
    elsewhere = {
        ("nameOverride",),
        ("fullnameOverride",),
        ("postgresql", "password"),
        ("postgresql", "image", "repository"),
    }
    elsewhere |= {("secrets", key) for key in ("databaseUrl", "databaseCa", "authSecret", "openaiApiKey", "generate")}
    # Numbers of one kind, one of which is tried.
    alike = {
        "requests",
        "limits",
        "periodSeconds",
        "timeoutSeconds",
        "failureThreshold",
        "terminationGracePeriodSeconds",
    }
    alike |= {"autoscaling", "pdb", "service"}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    missed = {path for path in _leaves(values) - shallow - elsewhere if not alike & set(path)}
    assert missed == set()


@pytest.mark.parametrize(("values", "files"), SETS)
def test_every_pod_keeps_to_the_level_restricted(values: dict[str, Any], files: tuple[str, ...]):
    made = render(values, *files)
    specs = [each["spec"]["template"]["spec"] for each in made.objects if "template" in each.get("spec", {})]
    specs += [each["spec"] for each in made.objects if each["kind"] == "Pod"]
    assert len(specs) >= 3
    assert [list(lacks(spec)) for spec in specs] == [[]] * len(specs)
    assert all(spec["enableServiceLinks"] is False for spec in specs)


@pytest.mark.parametrize(("values", "files"), SETS)
def test_every_object_is_labelled_and_in_the_releases_namespace(values: dict[str, Any], files: tuple[str, ...]):
    for each in render(values, *files).objects:
        labels = each["metadata"]["labels"]
        assert each["metadata"]["namespace"] == "trial"
        assert labels["app.kubernetes.io/name"] == "todo"
        assert labels["app.kubernetes.io/instance"] == "todo"
        assert labels["app.kubernetes.io/component"]


def test_liveness_and_startup_never_ask_the_database_and_readiness_does():
    container = render().at(BACKEND, *CONTAINER)
    paths = {kind: container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {
        "startupProbe": "/api/v1/health/live",
        "livenessProbe": "/api/v1/health/live",
        "readinessProbe": "/api/v1/health",
    }


def test_the_ingress_and_the_route_send_api_to_the_backend_and_all_else_to_the_frontend():
    made = render({"gateway": {"enabled": True, "parentRefs": [{"name": "g"}]}, "backend": {"service": {"port": 81}}})
    paths = made.at("Ingress/todo", "spec", "rules", 0, "http", "paths")
    assert [(path["path"], path["pathType"], path["backend"]["service"]["name"]) for path in paths] == [
        ("/api", "Prefix", "todo-backend"),
        ("/", "Prefix", "todo-frontend"),
    ]
    rules = made.at("HTTPRoute/todo", "spec", "rules")
    assert [(rule["matches"][0]["path"]["value"], rule["backendRefs"][0]) for rule in rules] == [
        ("/api", {"name": "todo-backend", "port": 81}),
        ("/", {"name": "todo-frontend", "port": 3000}),
    ]


def _secret(made: Rendered) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in made.at("Secret/todo", "data").items()}


def test_secrets_are_in_the_secret_alone():
    made = render({"secrets": {"openaiApiKey": "canary-key"}})
    assert _secret(made) == {
        "DATABASE_URL": "postgresql://todo:pass@db:5432/todo",
        "AUTH_SECRET": "s" * 32,
        "OPENAI_API_KEY": "canary-key",
    }
    rest = made.text.replace(yaml.safe_dump(made.at("Secret/todo", "data")), "")
    for value in ("s" * 32, "canary-key", "todo:pass"):
        assert value not in rest
        assert base64.b64encode(value.encode()).decode() not in yaml.safe_dump_all(
            each for each in made.objects if each["kind"] != "Secret"
        )


def test_the_backend_takes_its_secrets_by_reference_and_the_frontend_none():
    made = render({"secrets": {"existingSecret": "mine"}})
    references = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]
        for entry in made.at(BACKEND, *CONTAINER, "env")
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert references.keys() == {"DATABASE_URL", "DATABASE_CA", "AUTH_SECRET", "OPENAI_API_KEY"}
    assert {reference["name"] for reference in references.values()} == {"mine"}
    assert references["OPENAI_API_KEY"]["optional"] is references["DATABASE_CA"]["optional"] is True
    assert "secretKeyRef" not in str(made.one(FRONTEND))


def test_a_database_in_the_cluster_brings_its_address_with_any_password():
    found = _secret(render({"postgresql": {"enabled": True, "password": "p@ss w/rd"}, "secrets": {"databaseUrl": ""}}))
    assert found["DATABASE_URL"] == "postgresql://todo:p%40ss%20w%2Frd@todo-postgresql:5432/todo"
    assert found["POSTGRES_PASSWORD"] == "p@ss w/rd"


def test_for_development_secrets_are_made_up():
    found = _secret(render({}, "values-dev.yaml"))
    assert len(found["AUTH_SECRET"]) == 48
    assert found["POSTGRES_PASSWORD"] in found["DATABASE_URL"]


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"config": {"openaiModel": "other"}}, {"backend"}),
        ({"config": {"logLevel": "DEBUG"}}, {"backend"}),
        ({"config": {"apiBaseUrl": "/api/v2"}}, {"frontend"}),
        ({"config": {"environment": "other"}}, {"backend", "frontend"}),
        ({"secrets": {"authSecret": "t" * 32}}, {"backend"}),
        ({"ingress": {"host": "other"}}, set()),
    ],
)
def test_pods_are_replaced_where_their_settings_change(values: dict[str, Any], parts: set[str]):
    annotations = ("spec", "template", "metadata", "annotations")
    before, after = render(), render(values)
    changed = {
        part
        for part in ("backend", "frontend")
        if before.at(f"Deployment/todo-{part}", *annotations) != after.at(f"Deployment/todo-{part}", *annotations)
    }
    assert changed == parts


def test_two_releases_in_one_namespace_share_no_object_and_no_pod():
    one, two = (render(DATABASE, release=release) for release in ("one", "two"))
    assert one.names & two.names == set()
    assert "Deployment/one-todo-backend" in one
    selectors = [
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"]
        for each in one.objects
        if isinstance(each.get("spec", {}).get("selector"), dict) and "matchLabels" in each["spec"]["selector"]
    ]
    assert set(selectors) == {"one"}


@pytest.mark.parametrize(
    ("values", "release", "name"),
    [
        ({"nameOverride": "list"}, "my", "my-list"),
        ({"nameOverride": "list"}, "list-a", "list-a"),
        ({"fullnameOverride": "whole"}, "my", "whole"),
        ({}, "r" * 53, "r" * 40),
    ],
)
def test_names_follow_the_release_unless_told_otherwise(values: dict[str, Any], release: str, name: str):
    assert f"ConfigMap/{name}" in render(values, release=release)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"secrets": {"databaseUrl": ""}}, "secrets.databaseUrl is empty"),
        ({"secrets": {"authSecret": ""}}, "secrets.authSecret is empty"),
        ({"secrets": {"authSecret": "short"}}, "authSecret"),
        ({"secrets": {"databaseUrl": "mysql://a"}}, "databaseUrl"),
        ({"postgresql": {"enabled": True}, "secrets": {"databaseUrl": ""}}, "postgresql.password is empty"),
        ({"gateway": {"enabled": True}}, "gateway.parentRefs is empty"),
        ({"backend": {"terminationGracePeriodSeconds": 25}}, "must be more than preStopSleepSeconds"),
        ({"backend": {"replica": 3}}, "replica"),
        ({"backend": {"image": {"digest": "abc"}}}, "digest"),
        ({"migrations": {"mode": "sometimes"}}, "mode"),
        ({"config": {"logLevel": "LOUD"}}, "logLevel"),
        ({"ingress": {"host": "http://a"}}, "host"),
        ({"networkPolicy": {"databasePorts": []}}, "databasePorts"),
        ({"surprise": 1}, "surprise"),
        ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels"),
        ({"config": {"proxies": 11}}, "proxies"),
        ({"secrets": {"databaseCa": "x"}}, "databaseCa"),
        ({"serviceAccount": {"name": "A b"}}, "serviceAccount"),
        ({"openshift": "perhaps"}, "openshift"),
        ({"migrations": {"mode": "hook", "deadlineSeconds": 60}}, "must be more than migrations.waitSeconds"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], message: str):
    assert message in refusal(values)


@pytest.mark.parametrize("file", [None, "values-dev.yaml", "values-prod.yaml"])
def test_helm_finds_nothing_to_complain_about(file: str | None):
    done = helm("lint", "--strict", str(CHART), *([f"--values={CHART / file}"] if file else []))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize(
    ("mode", "installed", "migrates"),
    [
        ("initContainer", True, True),
        ("initContainer", False, True),
        ("hook", True, True),
        ("hook", False, False),
        ("none", True, False),
    ],
)
def test_pods_migrate_unless_a_hook_or_somebody_else_has(mode: str, installed: bool, migrates: bool):
    flags = () if installed else ("--is-upgrade",)
    values = {**GIVEN, "migrations": {"mode": mode}}
    made = Rendered(helm(*TEMPLATE, "todo", str(CHART), *flags, values=values).stdout)
    assert (made.at(BACKEND, *POD, "initContainers") is not None) is migrates
