"""Fixtures of the tests that need machines; docs/lab.md describes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from lab import Lab, Machine, Service
from tests.lab.support import require

if TYPE_CHECKING:
    from collections.abc import Iterator


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
