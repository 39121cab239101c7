"""The todo app's component, carried out on the lab's cluster: it passes the checks, and a rolling update or a drain
under load loses no request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from checks.result import CheckResult, Status
from checks.todo import check_todo
from checks.todo_disruption import POLICIES
from components.kubernetes_cluster import ClusterUnusable
from components.todo_app import TodoApp, TodoAppArgs
from config.todo import Todo
from lab import Lab, Machine
from lab.kubernetes import Cluster
from tests.lab.browser import page
from tests.lab.todo_deployed import HOST, SPACE, Deployed
from tests.lab.todo_visitor import PASSWORD, Load, Visitor
from tests.unit.recording import Recorder


@pytest.fixture(scope="module")
def app(cluster: Cluster, lab: Lab) -> Iterator[Deployed]:
    made = Deployed(cluster, lab.todo_images())
    made.up()
    yield made
    cluster.kubectl("delete", "namespace", SPACE, "--timeout=180s", timeout=200)


def cookies(browser: Page) -> str:
    """What the browser sends, the session included."""
    return "; ".join(f"{each['name']}={each['value']}" for each in browser.context.cookies())


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def wrong(found: list[CheckResult]) -> list[CheckResult]:
    return [row for row in found if row.status is Status.FAIL]


def test_the_database_comes_first_then_the_migration_then_the_app(cluster: Cluster, app: Deployed) -> None:
    assert app.carrier.done == [
        "todo-namespace",
        "todo-secret",
        "todo-database",
        "todo-migration",
        "todo-app",
    ]
    assert app.output["address"] == cluster.ingress_address
    assert app.output["replicas"] == {"backend": 2, "frontend": 2}


def test_the_component_passes_every_check_the_disruptive_ones_too(app: Deployed) -> None:
    found = check_todo(app.output, disruptive=True)
    assert wrong(found) == []
    # The lab's cluster enforces no policy, and says so.
    assert [row.question for row in found if row.status is Status.SKIP] == [POLICIES]
    assert {row.story for row in found} == {"US1", "US2", "US3"}


def test_no_secret_is_in_any_plain_input(app: Deployed) -> None:
    for each in app.recorder.resources.values():
        plain = {name: value for name, value in each.inputs.items() if name not in each.secrets}
        assert "canary" not in json.dumps(plain), each.name


def test_a_visitor_signs_up_adds_a_todo_completes_it_and_finds_it_again(app: Deployed) -> None:
    with page(HOST, app.cluster.ingress_address) as browser:
        browser.goto(f"http://{HOST}/")
        browser.get_by_role("button", name="Create an account").click()
        browser.get_by_label("Email").fill("visitor@example.org")
        browser.get_by_label("Password").fill(PASSWORD)
        browser.get_by_role("button", name="Create the account").click()
        browser.get_by_label("New todo").fill("Water the plants")
        browser.get_by_role("button", name="Add", exact=True).click()
        todo = browser.get_by_role("checkbox", name="Water the plants")
        expect(todo).not_to_be_checked()
        # Until the API has answered there is nothing to complete.
        expect(browser.locator(".todo[aria-busy=true]")).to_have_count(0)
        todo.click()
        visitor = Visitor(app.cluster.ingress_address, HOST, cookies(browser))
        until(lambda: '"done":true' in visitor.ask("GET", "/api/v1/todos?status=all")[1].replace(" ", ""))
        browser.reload()
        expect(browser.get_by_role("button", name="Sign out")).to_be_visible()
        # What is done shows under its own filter.
        browser.get_by_text("All", exact=True).click()
        expect(browser.get_by_role("checkbox", name="Water the plants")).to_be_checked()


def test_the_namespace_refuses_a_pod_that_is_not_restricted(app: Deployed) -> None:
    answer = app.cluster.kubectl("-n", SPACE, "run", "loose", "--image=registry:5000/tiny", check=False)
    assert not answer.ok
    assert "violates PodSecurity" in answer.stderr


def test_a_rolling_update_under_load_fails_no_request_and_loses_nothing(app: Deployed) -> None:
    visitor = app.visitor("rolling@example.org")
    before = {pod["metadata"]["name"] for part in ("backend", "frontend") for pod in app.pods(part)}
    with Load(visitor) as load:
        # Settings that both parts read: every pod is replaced.
        app.up(environment="updated")
    assert load.wrong == [], "\n".join(load.wrong)
    assert load.right > 100
    assert load.added <= visitor.titles()
    after = {pod["metadata"]["name"] for part in ("backend", "frontend") for pod in app.pods(part)}
    assert before & after == set()
    # For a few seconds a proxy still asks pods that are on their way out.
    until(lambda: json.loads(visitor.ask("GET", "/api/v1/health")[1])["environment"] == "updated")
    print(f"rolling update: {load.right} requests, {load.milliseconds}")


def test_the_migration_ran_once_for_one_image_and_one_database(app: Deployed) -> None:
    jobs = json.loads(app.kubectl("get", "jobs", "-o", "json"))["items"]
    assert len(jobs) == 1
    assert jobs[0]["status"]["succeeded"] == 1


def test_a_drain_of_a_node_under_load_fails_no_request_and_loses_nothing(app: Deployed, second_node: Machine) -> None:
    app.up(environment="drained")
    app.kubectl("rollout", "restart", "deployment/todo-backend", "deployment/todo-frontend")
    for part in ("backend", "frontend"):
        app.kubectl("rollout", "status", f"deployment/todo-{part}", "--timeout=240s")
        nodes = {pod["spec"]["nodeName"] for pod in app.pods(part)}
        assert nodes == {app.cluster.nodes[0].name, second_node.name}, "topology spread puts them on both nodes"
    visitor = app.visitor("drain@example.org")
    try:
        with Load(visitor) as load:
            words = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
            app.cluster.kubectl("drain", second_node.name, *words, timeout=270)
            for part in ("backend", "frontend"):
                app.kubectl("rollout", "status", f"deployment/todo-{part}", "--timeout=240s")
        assert load.wrong == [], "\n".join(load.wrong)
        assert load.right > 100
        assert load.added <= visitor.titles()
        where = {pod["spec"]["nodeName"] for part in ("backend", "frontend") for pod in app.pods(part)}
        assert where == {app.cluster.nodes[0].name}
    finally:
        app.cluster.kubectl("uncordon", second_node.name)
    print(f"drain: {load.right} requests, {load.milliseconds}")


def test_a_cluster_that_is_off_is_one_error_that_names_its_context(cluster: Cluster, tmp_path: Path) -> None:
    text = cluster.kubeconfig.read_text().replace(":6443", ":1")
    (tmp_path / "kubeconfig").write_text(text)
    recorder = Recorder(lambda *_: {})
    image = {"image": "registry:5000/hearth/none"}

    def program() -> None:
        settings = {"context": "hearth-lab", "kubeconfig": "kubeconfig", "backend": image, "frontend": image}
        TodoApp("todo", TodoAppArgs(Todo.model_validate(settings), {}, tmp_path))

    with pytest.raises(ClusterUnusable, match=r'context "hearth-lab".*nothing was touched'):
        recorder.run(program)
    assert recorder.resources == {}
