"""Figures of the todo app on the lab's Kubernetes: the cluster, a first deploy, a rolling update, the list of todos."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from lab.kubernetes.node_options import NODE_IMAGE
from tests.bench.figures import Figure, since, timed
from tests.lab.engine_providers import kubernetes_plugins
from tests.lab.systems.todo.stack import Stack
from tests.lab.systems.todo.visitor import Load, Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Lab

LOAD_SECONDS = 15
RATES = (100, 1000)
"""Requests a second that are asked for: what the tests use, and more than the cluster can do."""
TODOS = 50


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """Measure everything, on a cluster of its own, stacks in `folder`.

    What has to be built is built before the clock runs.
    """
    images = lab.todo_images()
    lab.images.ensure(NODE_IMAGE)
    begun = time.monotonic()
    cluster = lab.kubernetes()
    found = [Figure("cluster of one node, from nothing to ready", since(begun))]
    stack = Stack(folder / "todo", kubernetes_plugins(), cluster, images)
    preview = functools.partial(stack.workspace.preview, "--expect-no-changes")
    found += [
        Figure("`pulumi up`, first, images not on the node", timed(stack.up)),
        Figure("`pulumi up`, nothing to change", timed(stack.up)),
        Figure("`pulumi preview`, no change", timed(preview)),
        Figure("`pulumi preview --refresh` (drift check)", timed(lambda: preview("--refresh"))),
    ]
    visitor = stack.visitor("bench@example.org")
    for number in range(TODOS):
        assert visitor.add(f"todo {number}") == 201
    found += [_list(visitor, rate) for rate in RATES]
    begun = time.monotonic()
    with Load(visitor) as load:
        stack.change(environment="updated")
        took = since(begun)
    assert load.wrong == [], load.wrong[:3]
    told = f"{took}, p99 of the {load.right} requests meanwhile {load.milliseconds['p99']} ms, none failed"
    found.append(Figure("rolling update of all pods at 100 requests/s", told))
    return [*found, Figure("`pulumi destroy`", timed(stack.workspace.destroy))]


def _list(visitor: Visitor, rate: int) -> Figure:
    """Return the list call alone, through the ingress; each request on a connection of its own."""
    with Load(visitor, rate=rate, only_list=True) as load:
        time.sleep(LOAD_SECONDS)
    assert load.wrong == [], load.wrong[:3]
    asked = "at 100 requests/s" if rate == RATES[0] else "as fast as it goes"
    times = load.milliseconds
    told = f"{load.right / LOAD_SECONDS:.0f} requests/s, p50 {times['p50']} ms, p99 {times['p99']} ms"
    return Figure(f"list of {TODOS} todos {asked}", told)
