"""One stack on a machine with podman and an old account, for the tests of packages, accounts, units and images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab, Machine, difference
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project

HEAD = "from providers.host.resources import ContainerImage, Package, Unit\n"


@pytest.fixture(scope="module")
def plain_box(lab: Lab, machine: MachineFactory) -> Machine:
    made = machine("software", image="machine-podman")
    # The old user's store holds the image; that account is not logged in any more, and does not linger.
    lab.seed_old_containers(made)
    made.run("podman rm -f -a", user="backstage440")
    made.run("loginctl disable-linger backstage440; systemctl stop user@$(id -u backstage440)")
    made.run("while [ -e /run/user/$(id -u backstage440) ]; do sleep 0.1; done")
    made.run("systemctl start network-online.target")  # every rootless Quadlet unit waits for it
    return made


@pytest.fixture(scope="module")
def stack(box: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One stack for all tests of a module; when all is over, the machine `box`, which it names, is as it was."""
    made = Project(tmp_path_factory.mktemp("software"), box)
    before = box.snapshot()
    yield made
    made.destroy()
    assert difference(before, box.snapshot()) == []


@pytest.fixture
def project(stack: Project) -> Iterator[Project]:
    """The stack, empty at the beginning of each test."""
    yield stack
    stack.destroy()


def write(project: Project, *lines: str) -> None:
    project.program(HEAD + "".join(f"{line}\n" for line in lines))
