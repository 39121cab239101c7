"""Fixtures of the tests that need machines; docs/lab.md describes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from lab import Lab, LabError, Machine, Service
from lab.kubernetes import Cluster
from lab.kubernetes.cluster import programs
from tests.lab.support import require, skip_or_fail
from toolchain import kubebuild

if TYPE_CHECKING:
    from collections.abc import Iterator


# The first time on a machine, Kubernetes is built from its modules, and later still some images may have to be made.
BUILD_SECONDS, IMAGES_SECONDS = 45 * 60, 25 * 60


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file's tests together in one process, and those of the cluster, whatever their files, in the same one.

    That is `--dist loadgroup`: one cluster serves all that need it. Elsewhere the mark means nothing.
    """
    for item in items:
        if item.path.parent.name != "lab":
            continue
        needs_cluster = "cluster" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("cluster" if needs_cluster else item.path.stem))
        if needs_cluster:
            item.add_marker(pytest.mark.timeout(IMAGES_SECONDS if kubebuild.built() else BUILD_SECONDS))


class MachineFactory(Protocol):
    """Makes a machine that the test module has to itself and that goes when the module is through."""

    def __call__(self, name: str = "brain", *, image: str = "machine") -> Machine:
        """Return a new machine of that name."""
        ...


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of this run's own, removed at its end whatever happens."""
    require("lab")
    made = Lab(f"hearth-test-{os.getpid()}", tmp_path_factory.mktemp("lab"), say=print)
    try:
        made.prepare()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Iterator[MachineFactory]:
    """A factory of machines; each call with a name makes a new one, and the module's end removes them."""
    names: list[str] = []

    def make(name: str = "brain", *, image: str = "machine") -> Machine:
        names.append(name)
        return lab.machine(name, image=image, fresh=True)

    yield make
    for name in set(names):
        lab.remove(name)


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Service:
    """The lab's image registry, filled."""
    return lab.registry()


@pytest.fixture(scope="session")
def windows(lab: Lab) -> Service:
    """The stand-in for the Windows machine; its share is `lab.share()`."""
    return lab.windows()


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """The lab's Kubernetes cluster, up and ready. One serves all tests of a run: each leaves it as it was."""
    try:
        programs(print)
    except LabError as error:
        skip_or_fail(str(error))
    return lab.kubernetes()


@pytest.fixture(scope="session")
def second_node(cluster: Cluster) -> Machine:
    """The cluster's second node, which joins when a test first asks for it."""
    return cluster.nodes[1] if len(cluster.nodes) > 1 else cluster.add_node()
