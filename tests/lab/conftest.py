"""Fixtures of the tests that need machines; docs/lab.md describes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

from lab import Lab, LabError, Machine, Service
from lab.kubernetes.cluster import Cluster, build, programs
from tests.lab.support import require, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer


# By what their names begin with: the files whose tests use the cluster, and those that use what is built for it.
CLUSTER_FILES = ("test_lab_kubernetes", "test_todo_app", "test_todo_helm", "test_todo_recovery")
BUILT_FOR_FILES = ("test_lab_kubernetes", "test_todo")
# Begun before all others, in this order: a file that takes minutes must not be the last one, with nothing beside it.
LONGEST = (
    *CLUSTER_FILES,
    "test_secondbrain_kernel.py",
    "test_cluster.py",  # of LXD
    "test_maubot.py",
    "test_maubot_nixos.py",
    "test_maubot_dendrite.py",
    "test_maubot_errors.py",
    "test_secondbrain.py",
    "test_bridges.py",
    "test_kinds.py",
    "test_core_stack.py",
    "test_lab_kernel_machine.py",  # not beside the other with a kernel of its own: each takes a processor
    "test_core_power.py",
    "test_ways_in.py",
    "test_secondbrain_podmgr.py",
    "test_errors.py",
    "test_killed.py",
    "test_lab.py",
    "test_host_units.py",
)
# The first time on a machine, Kubernetes is built from its modules, and later still some images may have to be made.
BUILD_SECONDS, IMAGES_SECONDS = 45 * 60, 25 * 60


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Run, with `--dist loadfile`, all files that want the cluster in one process, so that one cluster serves them.

    The groups of xdist itself (`loadgroup`) do nothing on pytest 9.2: it no longer reads the id that xdist writes.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by the number of tests, which says nothing here: see LONGEST
    return ClusterScheduling(config, log)


class ClusterScheduling(LoadFileScheduling):
    """A file's tests stay together, and the files of the cluster with each other."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "cluster" if Path(file).name.startswith(CLUSTER_FILES) else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and give slow tests their time.

    The tests of the cluster have the time that its making takes, or that of the one program that they need.
    """
    items.sort(key=lambda item: [not item.path.name.startswith(name) for name in LONGEST])
    for item in items:
        if item.path.name.startswith(BUILT_FOR_FILES):
            item.add_marker(pytest.mark.timeout(IMAGES_SECONDS if build.built() else BUILD_SECONDS))


class MachineFactory(Protocol):
    """Makes a machine that the test module has to itself and that goes when the module is through."""

    def __call__(self, name: str = "brain", *, image: str = "machine") -> Machine:
        """Return a new machine of that name."""
        ...


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield a lab of this run's own, removed at its end whatever happens."""
    require("lab")
    made = Lab(f"hearth-test-{os.getpid()}", tmp_path_factory.mktemp("lab"), say=print)
    try:
        made.prepare()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Iterator[MachineFactory]:
    """Yield a factory of machines; each call with a name makes a new one, and the module's end removes them."""
    names: list[str] = []

    def make(name: str = "brain", *, image: str = "machine") -> Machine:
        names.append(name)
        return lab.machine(name, image=image, fresh=True)

    yield make
    for name in set(names):
        lab.remove(name)


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Service:
    """Return the lab's image registry, filled."""
    return lab.registry()


@pytest.fixture(scope="session")
def windows(lab: Lab) -> Service:
    """Return the stand-in for the Windows machine; its share is `lab.share()`."""
    return lab.windows()


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """Return the lab's Kubernetes cluster, up and ready. One serves all tests of a run: each leaves it as it was."""
    try:
        programs(print)
    except LabError as error:
        skip_or_fail(str(error))
    return lab.kubernetes()


@pytest.fixture(scope="session")
def second_node(cluster: Cluster) -> Machine:
    """Return the cluster's second node, which joins when a test first asks for it."""
    return cluster.nodes[1] if len(cluster.nodes) > 1 else cluster.add_node()
