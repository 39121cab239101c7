"""The todo app's chart where it is about safety: secrets' marks, numbers of users, the database's password."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
import yaml

from checks.todo.objects import lacks
from tests.lab.systems.todo.chart_cases import BACKEND, CONTAINER, DATABASE, DATABASE_POD, HOOK, POD
from tests.lab.systems.todo.helm import CHART, GIVEN, TEMPLATE, Rendered, helm, render

MARK = ("spec", "template", "metadata", "annotations", "checksum/secret")
NUMBERS = ("runAsUser", "runAsGroup", "fsGroup")
OPENSHIFT = ("--api-versions", "security.openshift.io/v1", "--api-versions", "security.openshift.io/v1/x")


def mark(**values: Any) -> str:
    """Return what shows of the secrets in the description of the backend's pods."""
    return render({"secrets": values}).at(BACKEND, *MARK)


def test_the_secrets_mark_changes_with_each_of_them_and_is_keyed():
    url, other = "postgresql://todo:pass@db:5432/todo", "postgresql://todo:word@db:5432/todo"
    one, two = "s" * 32, "t" * 32
    found = [
        mark(databaseUrl=url, authSecret=one),
        mark(databaseUrl=other, authSecret=one),
        mark(databaseUrl=url, authSecret=two),
        mark(databaseUrl=other, authSecret=two),
        mark(databaseUrl=url, authSecret=one, openaiApiKey="sk"),
        mark(databaseUrl=url, authSecret=one, databaseCa="-----BEGIN CERTIFICATE-----\nx"),
    ]
    assert len(set(found)) == len(found)
    # Who knows all but the signing key can't try passwords: no plain digest of them is it.
    for text in (url, json.dumps({"DATABASE_URL": url}), json.dumps({"databaseUrl": url}, separators=(",", ":"))):
        assert not hashlib.sha256(text.encode()).hexdigest().startswith(found[0])


def test_what_was_made_up_is_one_and_the_same_in_every_object():
    made = render({"secrets": {"generate": True}}, "values-dev.yaml")
    data = {key: base64.b64decode(value).decode() for key, value in made.at("Secret/todo", "data").items()}
    assert data["POSTGRES_PASSWORD"] in data["DATABASE_URL"]
    again = render({"secrets": {"authSecret": data["AUTH_SECRET"]}, "postgresql": _password(data)}, "values-dev.yaml")
    assert again.at(BACKEND, *MARK) == made.at(BACKEND, *MARK)


def _password(data: dict[str, str]) -> dict[str, Any]:
    return {"password": data["POSTGRES_PASSWORD"]}


def specs(made: Rendered) -> list[dict[str, Any]]:
    """Return the descriptions of all pods."""
    found = [each["spec"]["template"]["spec"] for each in made.objects if "template" in each.get("spec", {})]
    return found + [each["spec"] for each in made.objects if each["kind"] == "Pod"]


def numbers(made: Rendered) -> dict[str, set[str]]:
    """Return the kind of number -> which are asked for, by pods and by containers."""
    contexts = [
        part.get("securityContext", {})
        for spec in specs(made)
        for part in (spec, *spec["containers"], *spec.get("initContainers", []))
    ]
    return {name: {context[name] for context in contexts if name in context} for name in NUMBERS}


@pytest.mark.parametrize("values", [{}, HOOK])
def test_the_apps_own_pods_ask_for_no_number_so_that_openshift_gives_them_one(values: dict[str, Any]):
    assert numbers(render(values)) == {name: set() for name in NUMBERS}


@pytest.mark.parametrize(
    ("values", "flags", "found"),
    [
        ({}, (), {999}),
        ({}, OPENSHIFT, set()),
        ({"openshift": True}, (), set()),
        ({"openshift": False}, OPENSHIFT, {999}),
    ],
)
def test_the_databases_numbers_are_left_to_openshift(values: dict[str, Any], flags: tuple[str, ...], found: set[int]):
    whole = {**GIVEN, **DATABASE, **HOOK, **values}
    made = Rendered(helm(*TEMPLATE, "todo", str(CHART), *flags, values=whole).stdout)
    assert len(specs(made)) == 5
    assert numbers(made) == {name: found for name in NUMBERS}
    assert [list(lacks(spec)) for spec in specs(made)] == [[]] * 5


def test_a_changed_password_replaces_no_database_and_reaches_the_one_that_runs():
    one, two = (render({"postgresql": {"enabled": True, "password": text}}) for text in ("one", "two"))
    assert one.one(DATABASE_POD) == two.one(DATABASE_POD), "another pod would be another database, without a volume"
    pod = one.at(DATABASE_POD, *POD)
    watching = next(each for each in pod["containers"] if each["name"] == "password")
    assert {"name": "secret", "mountPath": "/secret", "readOnly": True} in watching["volumeMounts"]
    (secret,) = (each["secret"] for each in pod["volumes"] if each["name"] == "secret")
    assert secret == {"secretName": "todo", "items": [{"key": "POSTGRES_PASSWORD", "path": "POSTGRES_PASSWORD"}]}
    assert watching["image"] == one.at(DATABASE_POD, *CONTAINER, "image")
    assert "one" not in yaml.safe_dump(watching["args"]).split()


@pytest.mark.parametrize("values", [{"nameOverride": "list"}, {"commonLabels": {"team": "a"}}])
def test_the_database_alone_has_the_labels_that_the_rest_has(values: dict[str, Any]):
    alone = {"backend": {"enabled": False}, "frontend": {"enabled": False}, "ingress": {"enabled": False}}
    # As the component installs them: apart, under one name.
    given = {**values, "fullnameOverride": "todo", "secrets": {"existingSecret": "s"}}
    database, app = render({**given, **alone, "postgresql": {"enabled": True}}), render(given)
    policy = database.at("NetworkPolicy/todo-postgresql", "spec", "ingress", 0, "from", 0, "podSelector", "matchLabels")
    labels = app.at(BACKEND, "spec", "template", "metadata", "labels")
    assert policy.items() <= labels.items(), "its network policy lets the backend in"
    if "commonLabels" in values:
        assert all(each["metadata"]["labels"]["team"] == "a" for each in database.objects)
