"""The todo app as the engine keeps it: drift, changes, a migration that failed, and the way back. Ends the stack."""

from __future__ import annotations

import base64
import json

from components.todo import secrets
from config.systems.todo import Todo
from lab.systems.todo.images import PARTS
from tests.lab.project import shown, went_well
from tests.lab.support import until
from tests.lab.systems.todo.stack import HOST, SPACE, Stack
from tests.lab.systems.todo.trial import SECRETS
from tests.lab.systems.todo.visitor import Load, Visitor

DRIFT = 7  # exit code
NEW_PASSWORD = 'canary an/other p@ss:w"ord'


def test_the_engine_brings_it_up_and_it_passes_the_checks(stack: Stack) -> None:
    deployed = stack.workspace.outputs()["todo"]
    assert deployed["address"] == stack.cluster.ingress_address.rpartition(":")[0]
    assert deployed["replicas"] == {"backend": 2, "frontend": 2}
    assert stack.wrong() == []
    assert len(stack.migrations()) == 1


def test_what_was_just_brought_up_has_not_drifted_and_no_secret_is_in_the_state_or_in_what_is_printed(
    stack: Stack,
) -> None:
    answer = stack.workspace.drift()
    assert answer.returncode == 0, shown(answer)
    data = secrets.secret_data(Todo.model_validate(stack.whole), SECRETS)
    # A Secret's data is written in Base64.
    hidden = {"canary", *(base64.b64encode(value.encode()).decode() for value in data.values())}
    state = json.dumps(stack.workspace.state())
    for each in hidden:
        assert each not in state
        assert each not in shown(answer)


def test_pods_taken_away_and_a_setting_changed_by_hand_are_drift_and_set_right_and_nothing_else_is_touched(
    stack: Stack,
) -> None:
    before, migrations = stack.pods("backend"), stack.migrations()
    stack.kubectl("scale", "deployment/todo-frontend", "--replicas=1")
    stack.kubectl("rollout", "status", "deployment/todo-frontend", "--timeout=240s")
    stack.kubectl("patch", "configmap", "todo", "--type=merge", "--patch", '{"data": {"LOG_LEVEL": "ERROR"}}')
    answer = stack.workspace.drift()
    assert answer.returncode == DRIFT, shown(answer)
    assert "todo-frontend" in shown(answer)
    assert "LOG_LEVEL" in shown(answer)
    stack.up("--refresh")
    assert stack.kubectl("get", "configmap", "todo", "-o", "jsonpath={.data.LOG_LEVEL}") == "INFO"
    until(lambda: len(stack.pods("frontend")) == 2, "both pods of the frontend are there", 60)
    assert stack.wrong() == []
    assert (stack.pods("backend"), stack.migrations()) == (before, migrations)
    assert stack.workspace.drift().returncode == 0


def test_a_changed_setting_replaces_the_pods_that_read_it_and_runs_no_migration(stack: Stack) -> None:
    before = {part: stack.pods(part) for part in PARTS}
    migrations = stack.migrations()
    stack.change(**{"log-level": "WARNING"})
    after = stack.replaced("backend", before["backend"])
    assert stack.pods("frontend") == before["frontend"]
    assert stack.migrations() == migrations
    for pod in after:
        assert stack.kubectl("exec", pod, "--", "printenv", "LOG_LEVEL").strip() == "WARNING"
    assert stack.wrong() == []


def test_a_changed_secret_runs_a_migration_and_replaces_the_backend_alone(stack: Stack) -> None:
    before = {part: stack.pods(part) for part in PARTS}
    migrations = stack.migrations()
    stack.workspace.configure("hearth:todo-auth-secret", "canary-another-key-0123456789abcdef", secret=True)
    assert "canary" not in stack.up()
    stack.replaced("backend", before["backend"])
    assert stack.pods("frontend") == before["frontend"]
    assert len(stack.migrations()) == 1
    assert stack.migrations() & migrations == set()
    assert stack.wrong() == []
    assert stack.workspace.drift().returncode == 0


def test_no_request_fails_while_the_databases_password_changes(stack: Stack) -> None:
    visitor = stack.visitor("password@example.org")
    (database,) = stack.living("postgresql")
    before = stack.pods("backend")
    with Load(visitor) as load:
        stack.workspace.configure("hearth:todo-postgres-password", NEW_PASSWORD, secret=True)
        assert "canary" not in stack.up()
    assert load.wrong == []
    assert load.right > 100
    assert load.added <= visitor.titles()
    assert stack.living("postgresql")[0]["metadata"]["uid"] == database["metadata"]["uid"]
    stack.replaced("backend", before)
    # It is another one now, for whoever comes from outside of the pod.
    assert stack.database_lets_in(NEW_PASSWORD)
    assert not stack.database_lets_in(SECRETS["todo-postgres-password"])
    assert stack.wrong() == []
    print(f"changed password: {load.right} requests, {load.milliseconds}")


def test_a_migration_that_failed_for_want_of_a_database_is_made_anew_by_the_next_up(stack: Stack) -> None:
    stack.change(**{"start-timeout": 60})
    stack.kubectl("scale", "statefulset/todo-postgresql", "--replicas=0")
    stack.kubectl("wait", "pod/todo-postgresql-0", "--for=delete", "--timeout=300s")
    # Another secret is another migration, and its database comes late.
    stack.workspace.configure("hearth:todo-auth-secret", "canary-a-third-key-0123456789abcdef", secret=True)
    answer = stack.workspace.up(check=False)
    assert answer.returncode != 0, shown(answer)
    failed = stack.migrations()
    stack.kubectl("scale", "statefulset/todo-postgresql", "--replicas=1")
    stack.kubectl("rollout", "status", "statefulset/todo-postgresql", "--timeout=300s")
    finished = stack.workspace.up(check=False)
    assert stack.migrations() & failed == set(), shown(finished)
    if finished.returncode != 0:  # a minute may be too short for the pods of a busy machine
        stack.change(**{"start-timeout": 240})
    assert stack.wrong() == []


def test_destroy_leaves_the_cluster_as_it_was(stack: Stack) -> None:
    address = stack.workspace.outputs()["todo"]["address"]
    assert Visitor(address, HOST).ask("GET", "/healthz")[0] == 200
    went_well(stack.workspace.destroy(check=False))
    assert f"namespace/{SPACE}" not in stack.namespaces()
    until(lambda: stack.cluster_wide() == stack.whole_cluster, f"of the whole cluster's: {stack.whole_cluster}", 60)
    assert not stack.workspace.state().get("resources")
    until(lambda: Visitor(address, HOST).status("/healthz") == 404, "the ingress controller knows it no more", 60)
