"""The component TodoApp, against a recording mock: which resources, with what, in which order."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pulumi
import pytest
from pulumi.output import Unknown

from components.blocks.build_context import TODO, BuildContext
from components.blocks.kubernetes_cluster import ClusterUnusable
from components.todo import values
from components.todo.component import TodoApp, TodoAppArgs
from components.todo.preflight import NamespaceTaken, reach
from config.systems.todo import Todo
from tests.unit.fake_api_server import FakeApiServer, fake_api_server
from tests.unit.recording import Recorder

CANARY = "canary-51c8"
IMAGE = "registry.example.org/todo-backend@sha256:" + "0" * 64
LEAST: dict[str, Any] = {"context": "trial", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}
CHART = "kubernetes:helm.sh/v4:Chart"
JOB = "kubernetes:batch/v1:Job"
INGRESS = "/apis/networking.k8s.io/v1/namespaces/todo/ingresses/todo"
Build = Callable[..., Recorder]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeApiServer]:
    with pytest.MonkeyPatch.context() as patch, fake_api_server(tmp_path_factory.mktemp("cluster")) as made:
        patch.setenv("NO_PROXY", "127.0.0.1")
        made.answers[INGRESS] = (200, {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.49.2"}]}}})
        yield made


@pytest.fixture(scope="module")
def build(server: FakeApiServer) -> Build:
    """Return what the component registers for these settings; each set of them is built once."""

    @functools.cache
    def built(text: str, preview: bool, secret: str) -> Recorder:
        def answer(token: str, _name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"ref": f"{IMAGE[:-1]}1"} if token == "docker-build:index:Image" and not preview else {}

        def program() -> None:
            secrets = {key: pulumi.Output.secret(f"{secret}-{key}") for key in Todo.SECRETS}
            settings = Todo.model_validate_json(text)
            TodoApp("todo", TodoAppArgs(settings, secrets=secrets))

        return Recorder(answer).run(program, preview=preview)

    def make(preview: bool = False, secret: str = CANARY, **settings: Any) -> Recorder:
        return built(json.dumps({**LEAST, "kubeconfig": str(server.kubeconfig), **settings}), preview, secret)

    return make


def test_everything_is_a_child_of_the_component(build: Build):
    made = build(postgres={"enabled": True})
    assert made.resources["todo"].type == "hearth:todo:TodoApp"
    children = [each for each in made.resources.values() if each.name != "todo"]
    assert {each.parent for each in children} == {"todo"}
    assert all(each.name.startswith("todo-") for each in children)


def test_the_provider_is_told_kubeconfig_and_context_and_the_path_stays_out_of_the_state(
    build: Build, server: FakeApiServer
):
    made = build()
    provider = made.resources["todo-kubernetes"]
    assert provider.inputs["kubeconfig"] == str(server.kubeconfig)
    assert "kubeconfig" in provider.secrets
    assert provider.inputs["context"] == provider.inputs["clusterIdentifier"] == "trial"
    assert str(server.kubeconfig) not in json.dumps(made.outputs)


def test_without_a_setting_the_provider_finds_the_kubeconfig_itself_and_no_path_is_written_down(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    made = registered(LEAST)
    assert "kubeconfig" not in made.resources["todo-kubernetes"].inputs
    assert str(server.kubeconfig) not in json.dumps([each.inputs for each in made.resources.values()])
    assert os.environ["KUBECONFIG"] == str(server.kubeconfig)
    # It was asked, all the same.
    assert made.outputs["todo"]["address"] == "192.168.49.2"


def registered(settings: dict[str, Any], *, preview: bool = False, secrets: bool = True) -> Recorder:
    """Return what the component registers; with `secrets` false nobody knows them, as in a pull request."""

    def program() -> None:
        given = {key: f"{CANARY}-{key}" if secrets else pulumi.UNKNOWN for key in Todo.SECRETS}
        known = {key: pulumi.Output.secret(value) for key, value in given.items()}
        TodoApp("todo", TodoAppArgs(Todo.model_validate(settings), secrets=known))

    return Rendering(lambda *_: {}).run(program, preview=preview)


class Rendering(Recorder):
    """Answers as the provider's helm does."""

    RENDERED: ClassVar[list[dict[str, Any]]] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "todo-backend", "namespace": "todo"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "todo-frontend"}},
    ]

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        assert args.token == "kubernetes:helm:template"
        options = json.loads(args.args["jsonOpts"])
        assert options["path"] == str(values.CHART)
        assert options["values"]["fullnameOverride"] == options["release_name"] == "todo"
        return {"result": self.RENDERED}


def test_a_preview_where_the_cluster_can_not_be_reached_shows_each_object_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, resource=None: said.append(text))
    away = {**LEAST, "kubeconfig": str(tmp_path / "none")}
    reach_in_a_preview(away)
    made = registered(away, preview=True)
    (warning,) = said
    assert 'the cluster of the context "trial"' in warning
    assert "This preview goes on without the cluster" in warning
    # Under the types, names and parents that the provider gives them.
    assert made.resources["todo-app"].type == CHART
    objects = {each.name: each.type for each in made.resources.values() if each.parent == "todo-app"}
    assert objects == {
        "todo-app:todo/todo-backend": "kubernetes:core/v1:Service",
        "todo-app:todo/todo-frontend": "kubernetes:apps/v1:Deployment",
    }
    assert made.resources["todo-app:todo/todo-frontend"].inputs["apiVersion"] == "apps/v1"
    assert isinstance(made.outputs["todo"]["address"], Unknown)


def reach_in_a_preview(settings: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
        reach(Todo.model_validate(settings))


def test_a_preview_without_secrets_shows_the_whole_chart(server: FakeApiServer):
    made = registered({**LEAST, "kubeconfig": str(server.kubeconfig)}, preview=True, secrets=False)
    backend = made.resources["todo-app"].inputs["values"]["backend"]
    assert backend["podAnnotations"] == {"checksum/secret": "unknown in this preview"}


def test_a_preview_of_an_image_that_is_yet_to_be_built_shows_it_by_its_tag(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(BuildContext, "digest", lambda _context: "abc")
    part = {"registry": "registry.example.org/todo-backend"}
    made = registered({**LEAST, "kubeconfig": str(server.kubeconfig), "backend": part}, preview=True)
    image = made.resources["todo-app"].inputs["values"]["backend"]["image"]
    assert image == {"repository": "registry.example.org/todo-backend", "tag": "abc", "digest": ""}


def test_the_provider_takes_edits_back_and_takes_nothing_over_that_is_there_already(build: Build):
    inputs = build().resources["todo-kubernetes"].inputs
    assert inputs["upsertExistingObjects"] == "false"
    # By each object: release 4.25 of the provider has no option for it.
    assert "enablePatchForce" not in inputs
    made = build(postgres={"enabled": True})
    for name in ("todo-namespace", "todo-secret", "todo-migration"):
        assert made.resources[name].inputs["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"
    for name in ("todo-database", "todo-app"):
        assert made.resources[name].inputs["values"]["commonAnnotations"]["pulumi.com/patchForce"] == "true"


def test_the_namespace_refuses_what_is_not_restricted(build: Build):
    metadata = build(namespace="mine").resources["todo-namespace"].inputs["metadata"]
    assert metadata["name"] == "mine"
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("postgres", [True, False])
def test_secret_database_migration_and_app_come_in_this_order(build: Build, postgres: bool):
    made = build(postgres={"enabled": postgres})
    assert "todo-namespace" in made.before("todo-secret")
    before = made.before("todo-migration")
    assert "todo-secret" in made.before("todo-database" if postgres else "todo-migration")
    assert ("todo-database" in before) is postgres
    assert "todo-migration" in made.before("todo-app")


def test_the_app_is_the_chart_under_the_systems_name(build: Build):
    inputs = build(name="mine").resources["todo-app"].inputs
    assert build().resources["todo-app"].type == CHART
    assert inputs["chart"] == str(values.CHART)
    assert (inputs["name"], inputs["namespace"]) == ("mine", "todo")
    assert inputs["values"]["fullnameOverride"] == "mine"
    assert inputs["values"]["migrations"] == {"mode": "none", "whenEmpty": True}


def test_a_new_image_or_a_new_secret_runs_the_migration_again_and_replaces_the_pods(build: Build):
    def name(made: Recorder) -> str:
        return made.resources["todo-migration"].inputs["metadata"]["name"]

    def mark(made: Recorder) -> str:
        return made.resources["todo-app"].inputs["values"]["backend"]["podAnnotations"]["checksum/secret"]

    first = build()
    newer = build(backend={"image": IMAGE[:-1] + "2"})
    other = build(secret="another-canary-of-the-secrets")
    assert len({name(first), name(newer), name(other)}) == 3
    assert mark(first) == mark(newer) != mark(other)
    assert name(build(**{"log-level": "DEBUG"})) == name(first)


def test_the_migration_is_awaited_no_longer_than_the_settings_say(build: Build):
    job = build(**{"start-timeout": 77}).resources["todo-migration"]
    assert job.type == JOB
    assert job.create_timeout == "77s"
    assert job.inputs["spec"]["activeDeadlineSeconds"] == 77


def test_secrets_reach_the_secret_and_no_plain_input(build: Build):
    made = build(postgres={"enabled": True})
    secret = made.resources["todo-secret"]
    assert secret.inputs["stringData"]["AUTH_SECRET"] == f"{CANARY}-todo-auth-secret"
    assert secret.inputs["stringData"]["POSTGRES_PASSWORD"] == f"{CANARY}-todo-postgres-password"
    assert "stringData" in secret.secrets
    for each in made.resources.values():
        plain = {name: value for name, value in each.inputs.items() if name not in each.secrets}
        assert CANARY not in json.dumps(plain), each.name
    assert CANARY not in json.dumps(made.outputs)
    assert not made.resources["todo-app"].secrets, "the chart's objects would be hidden in every preview"


def test_a_registrys_login_and_a_certificate_lie_in_the_namespace_before_what_needs_them(build: Build):
    login = {"address": "registry.example.org", "user": "robot"}
    ingress = {"host": "todo.example.org", "own-certificate": True}
    made = build(**{"registry-login": login}, ingress=ingress, postgres={"enabled": True})
    registry, certificate = made.resources["todo-registry"], made.resources["todo-tls"]
    assert registry.inputs["type"] == "kubernetes.io/dockerconfigjson"
    content = json.loads(registry.inputs["stringData"][".dockerconfigjson"])
    assert content["auths"]["registry.example.org"]["password"] == f"{CANARY}-todo-registry-password"
    assert certificate.inputs["type"] == "kubernetes.io/tls"
    assert certificate.inputs["stringData"] == {
        "tls.crt": f"{CANARY}-todo-tls-certificate",
        "tls.key": f"{CANARY}-todo-tls-key",
    }
    for each in (registry, certificate):
        assert "stringData" in each.secrets
        assert "todo-namespace" in made.before(each.name)
        assert each.name in made.before("todo-database")
    assert "todo-database" in made.before("todo-migration")
    assert made.outputs["todo"]["url"] == "https://todo.example.org/"
    pulls = [{"name": "todo-registry"}]
    assert made.resources["todo-app"].inputs["values"]["imagePullSecrets"] == pulls
    assert made.resources["todo-database"].inputs["values"]["imagePullSecrets"] == pulls
    assert made.resources["todo-migration"].inputs["spec"]["template"]["spec"]["imagePullSecrets"] == pulls
    assert not {"todo-registry", "todo-tls"} & build().resources.keys()


@pytest.mark.parametrize(
    ("postgres", "settings", "kept", "protected"),
    [
        ({"enabled": True, "storage": "1Gi"}, {}, True, False),
        ({"enabled": True, "storage": "1Gi"}, {"data": "remove"}, False, False),
        ({"enabled": True, "storage": "1Gi"}, {"protect-data": True}, True, True),
        ({"enabled": True}, {"protect-data": True}, False, False),
        ({}, {"protect-data": True}, False, False),
    ],
)
def test_a_namespace_with_data_is_kept_and_protected_as_the_settings_say(
    build: Build, postgres: dict[str, Any], settings: dict[str, Any], kept: bool, protected: bool
):
    namespace = build(postgres=postgres, **settings).resources["todo-namespace"]
    assert (namespace.retained, namespace.protect) == (kept, protected)


def test_an_image_by_its_digest_is_taken_as_it_is(build: Build):
    made = build()
    assert not made.of_type("docker-build:index:Image")
    assert made.resources["todo-app"].inputs["values"]["backend"]["image"]["digest"] == "sha256:" + "0" * 64


def test_with_a_registry_images_are_built_pushed_and_used_by_digest_and_never_built_in_a_preview(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(BuildContext, "digest", lambda _context: "abc")
    made = build(backend={"registry": "registry.example.org/todo-backend", "platforms": ["linux/arm64"]})
    image = made.resources["todo-backend-image"]
    assert image.inputs["buildOnPreview"] is False
    assert image.inputs["push"] is True
    assert image.inputs["platforms"] == ["linux/arm64"]
    assert image.inputs["tags"] == ["registry.example.org/todo-backend:abc"]
    # No absolute path: another clone would take the image for another one.
    assert image.inputs["context"]["location"] == os.path.relpath(TODO["backend"].folder)
    assert image.inputs["dockerfile"]["location"].endswith("apps/todo/backend/Dockerfile")
    assert made.resources["todo-app"].inputs["values"]["backend"]["image"]["digest"].endswith("1")
    assert made.resources["todo-migration"].inputs["spec"]["template"]["spec"]["containers"][0]["image"].endswith("1")
    previewed = build(preview=True, backend={"registry": "registry.example.org/todo-backend"})
    assert previewed.resources["todo-app"].type == CHART


def test_what_the_checks_need_is_an_output_and_the_address_is_the_ingresss_own(build: Build):
    made = build(ingress={"host": "todo.example.org"}).outputs["todo"]
    assert made["address"] == "192.168.49.2"
    assert made["url"] == "http://todo.example.org/"
    assert made["deployed"]["replicas"] == {"backend": 2, "frontend": 2}
    assert made["deployed"]["context"] == "trial"
    assert made["deployed"]["host"] == "todo.example.org"
    assert build().outputs["todo"]["url"] == "http://192.168.49.2/"
    secure = build(ingress={"host": "todo.example.org", "tls-secret": "crt", "address": "10.0.0.1:8443"})
    assert secure.outputs["todo"]["url"] == "https://todo.example.org/"
    assert secure.outputs["todo"]["address"] == "10.0.0.1:8443"


KEPT = {"enabled": True, "storage": "1Gi"}
SPACE = "/api/v1/namespaces/todo"


def test_a_namespace_that_was_left_with_its_data_is_taken_over_and_no_other(build: Build):
    assert build(postgres=KEPT).resources["todo-kubernetes"].inputs["upsertExistingObjects"] == "true"
    removed = build(postgres=KEPT, data="remove")
    assert removed.resources["todo-kubernetes"].inputs["upsertExistingObjects"] == "false"
    labels = build(postgres=KEPT).resources["todo-namespace"].inputs["metadata"]["labels"]
    assert values.OWNER.items() <= labels.items()


@pytest.mark.parametrize(
    ("answers", "is_refused"),
    [
        ({}, False),
        ({SPACE: {"metadata": {"labels": values.NAMESPACE_LABELS}}}, False),
        ({SPACE: {"metadata": {}}}, True),
        ({SPACE: {"metadata": {"labels": {"a": "b"}}}}, True),
        ({SPACE: {"metadata": {}}, f"{SPACE}/secrets/todo-secrets": {"metadata": {}}}, False),
        ({SPACE: {"metadata": {}}, f"{SPACE}/persistentvolumeclaims/data-todo-postgresql-0": {"metadata": {}}}, False),
    ],
)
def test_a_namespace_of_somebody_else_is_refused_before_anything_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], is_refused: bool
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_api_server(tmp_path) as server:
        server.answers |= {path: (200, content) for path, content in answers.items()}
        settings = {**LEAST, "kubeconfig": str(server.kubeconfig), "context": "trial"}
        # Where no data is kept, too: older releases of the provider take over whatever is there.
        for each in ({**settings, "postgres": KEPT}, settings):
            if is_refused:
                with pytest.raises(NamespaceTaken, match="nothing was touched"):
                    reach(Todo.model_validate(each))
            else:
                reach(Todo.model_validate(each))


def test_a_cluster_out_of_reach_is_one_error_of_the_preflight(tmp_path: Path):
    with pytest.raises(ClusterUnusable, match='context "trial"'):
        reach(Todo.model_validate({**LEAST, "kubeconfig": str(tmp_path / "none")}))
