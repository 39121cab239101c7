"""The todo app on the lab's cluster, brought up by the engine once for all files that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from checks.todo import app
from tests.lab.engine_providers import kubernetes_plugins
from tests.lab.systems.todo.stack import SPACE, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Lab
    from lab.kubernetes.cluster import Cluster


GENEROSITY = 10  # times what the checks ask of pages: other tests have the processor, too


@pytest.fixture(scope="module", autouse=True)
def generous() -> Iterator[None]:
    """Give pages more time than users have patience; docs/benchmarks.md has what was measured."""
    with mock.patch.object(app, "MEDIAN_SECONDS", app.MEDIAN_SECONDS * GENEROSITY):
        yield


@pytest.fixture(scope="session")
def stack(cluster: Cluster, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the stack, brought up; nothing of it is on the cluster afterwards. The last test of all takes it down."""
    made = Stack(tmp_path_factory.mktemp("todo-app"), kubernetes_plugins(), cluster, lab.todo_images())
    try:
        printed = made.up()
        assert "canary" not in printed
        yield made
    finally:
        made.gone()
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", "--timeout=180s", timeout=200)
