"""The todo app's component, carried out on the lab's cluster.

It passes the checks, and a rolling update or a drain under load loses no request.
"""

from __future__ import annotations

import datetime
import json
import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from checks.result import CheckResult, Status
from components.blocks.kubernetes_cluster import ClusterUnusable
from components.todo.preflight import reach
from config.systems.todo import Todo
from lab import Machine
from lab.kubernetes.cluster import Cluster
from lab.systems.todo.images import PARTS
from tests.lab.browser import page
from tests.lab.support import until
from tests.lab.systems.todo.stack import HOST, SPACE, Stack
from tests.lab.systems.todo.visitor import PASSWORD, Load, Visitor


def cookies(browser: Page) -> str:
    """Return what the browser sends, the session included."""
    return "; ".join(f"{each['name']}={each['value']}" for each in browser.context.cookies())


def wrong(found: list[CheckResult]) -> list[CheckResult]:
    return [row for row in found if row.status is Status.FAIL]


def seconds(text: str) -> float:
    """Return a time as Kubernetes writes it."""
    return datetime.datetime.fromisoformat(text).timestamp()


def test_the_database_comes_first_then_the_migration_then_the_app(stack: Stack) -> None:
    (database,) = stack.living("postgresql")
    # Not when it was ready: on a busy machine it may have been unready for a moment since.
    (began,) = (
        each["state"]["running"]["startedAt"]
        for each in database["status"]["containerStatuses"]
        if each["name"] == "postgresql"
    )
    (job,) = stack.objects("jobs")
    assert job["status"]["succeeded"] == 1
    parts = [each["metadata"]["creationTimestamp"] for each in stack.objects("deployments")]
    assert len(parts) == len(PARTS)
    assert seconds(began) <= seconds(job["metadata"]["creationTimestamp"])
    assert seconds(job["status"]["completionTime"]) <= min(map(seconds, parts))


def test_it_passes_every_check_the_disruptive_ones_too(stack: Stack) -> None:
    found = stack.checked(disruptive=True)
    assert wrong(found) == []
    # Policies too: the lab's cluster enforces them.
    assert [row for row in found if row.status is Status.SKIP] == []
    assert {row.story for row in found} == {"US1", "US2", "US3"}


def test_a_visitor_signs_up_adds_a_todo_completes_it_and_finds_it_again(stack: Stack) -> None:
    with page(HOST, stack.cluster.ingress_address) as browser:
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
        visitor = Visitor(stack.cluster.ingress_address, HOST, cookies(browser))
        until(
            lambda: '"done":true' in visitor.ask("GET", "/api/v1/todos?status=all")[1].replace(" ", ""),
            "it is done",
            120,
        )
        browser.reload()
        expect(browser.get_by_role("button", name="Sign out")).to_be_visible()
        # What is done shows under its own filter.
        browser.get_by_text("All", exact=True).click()
        expect(browser.get_by_role("checkbox", name="Water the plants")).to_be_checked()


def test_the_namespace_refuses_a_pod_that_is_not_restricted(stack: Stack) -> None:
    answer = stack.cluster.kubectl("-n", SPACE, "run", "loose", "--image=registry:5000/tiny", check=False)
    assert not answer.ok
    assert "violates PodSecurity" in answer.stderr


def roll(stack: Stack, visitor: Visitor, environment: str) -> Load:
    """Change a setting that both parts read, so that every pod is replaced, under load."""
    before = names(stack)
    with Load(visitor) as load:
        stack.change(environment=environment)
    assert load.wrong == [], told(stack, load)
    assert load.right > 100
    assert load.added <= visitor.titles()
    # A deployment is done when the new pods are ready: the last of the old ones may still wait for its end.
    until(lambda: not before & names(stack), "the old pods are on their way out", 120)
    # For a few seconds a proxy still asks pods that are on their way out.
    until(lambda: visitor.environment() == environment, environment, 120)
    return load


def told(stack: Stack, load: Load) -> str:
    """Return what failed, and what the backends that are still there say of it."""
    lines = stack.kubectl("logs", "-l", "app.kubernetes.io/component=backend", "--prefix", "--tail=-1").splitlines()
    return "\n".join([*load.wrong, *(line for line in lines if "database" in line)][:60])


def names(stack: Stack) -> set[str]:
    """Return the app's pods."""
    return {pod["metadata"]["name"] for part in PARTS for pod in stack.living(part)}


def nodes(stack: Stack, part: str) -> set[str]:
    """Return where a part's pods are."""
    return {pod["spec"]["nodeName"] for pod in stack.living(part)}


def settle(stack: Stack) -> None:
    for part in PARTS:
        stack.kubectl("rollout", "status", f"deployment/todo-{part}", "--timeout=240s")


def drain(stack: Stack, node: Machine, visitor: Visitor) -> Load:
    """Have everything leave a node, under load; the node takes pods again afterwards."""
    stack.kubectl("rollout", "restart", *(f"deployment/todo-{part}" for part in PARTS))
    settle(stack)
    first = stack.cluster.nodes[0].name
    for part in PARTS:
        assert nodes(stack, part) == {first, node.name}, "topology spread puts them on both nodes"
    try:
        with Load(visitor) as load:
            words = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
            stack.cluster.kubectl("drain", node.name, *words, timeout=270)
            settle(stack)
        assert load.wrong == [], told(stack, load)
        assert load.right > 100
        assert load.added <= visitor.titles()
        assert [nodes(stack, part) for part in PARTS] == [{first}, {first}]
    finally:
        stack.cluster.kubectl("uncordon", node.name)
    return load


def test_a_rolling_update_under_load_fails_no_request_and_loses_nothing(stack: Stack) -> None:
    load = roll(stack, stack.visitor("rolling@example.org"), "updated")
    print(f"rolling update: {load.right} requests, {load.milliseconds}")


def test_the_migration_ran_once_for_one_image_and_one_database(stack: Stack) -> None:
    jobs = json.loads(stack.kubectl("get", "jobs", "-o", "json"))["items"]
    assert len(jobs) == 1
    assert jobs[0]["status"]["succeeded"] == 1


def test_a_drain_of_a_node_under_load_fails_no_request_and_loses_nothing(stack: Stack, second_node: Machine) -> None:
    load = drain(stack, second_node, stack.visitor("drain@example.org"))
    print(f"drain: {load.right} requests, {load.milliseconds}")


@pytest.mark.soak
def test_many_rolling_updates_under_load_fail_no_request(stack: Stack) -> None:
    visitor = stack.visitor("many-updates@example.org")
    for turn in range(10):
        load = roll(stack, visitor, f"turn-{turn}")
        print(f"update {turn}: {load.right} requests, {load.milliseconds}")


@pytest.mark.soak
def test_many_drains_under_load_fail_no_request(stack: Stack, second_node: Machine) -> None:
    visitor = stack.visitor("many-drains@example.org")
    for turn in range(5):
        load = drain(stack, second_node, visitor)
        print(f"drain {turn}: {load.right} requests, {load.milliseconds}")


@pytest.mark.soak
def test_backends_that_are_killed_under_load_lose_nothing_that_was_answered(stack: Stack) -> None:
    visitor, chance = stack.visitor("killed@example.org"), random.Random(5)
    with Load(visitor) as load:
        for _ in range(10):
            # Without the time to finish what is under way: such a request may fail.
            name = chance.choice([pod["metadata"]["name"] for pod in stack.living("backend")])
            stack.kubectl("delete", "pod", name, "--grace-period=0", "--force")
            settle(stack)
    assert load.added
    assert load.added <= visitor.titles()
    assert load.right > 50 * len(load.wrong), "\n".join(load.wrong)
    print(f"ten kills: {load.right} requests answered, {len(load.wrong)} failed")


def test_a_cluster_that_is_off_is_one_error_that_names_its_context(cluster: Cluster, tmp_path: Path) -> None:
    text = cluster.kubeconfig.read_text().replace(":6443", ":1")
    (tmp_path / "kubeconfig").write_text(text)
    image = {"image": "registry:5000/hearth/none"}
    settings = {
        "context": "hearth-lab",
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "backend": image,
        "frontend": image,
    }
    with pytest.raises(ClusterUnusable, match=r'context "hearth-lab".*nothing was touched'):
        reach(Todo.model_validate(settings))
