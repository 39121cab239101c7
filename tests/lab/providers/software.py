"""One stack on a machine of the test module's own, for the tests of packages, accounts, units and images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Machine
from tests.lab.project import Project
from tests.lab.support import lasting_difference

HEAD = "from providers.resources.host import ContainerImage, Package, Unit\n"


@pytest.fixture(scope="module")
def stack(box: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Yield one stack for a module that ends with `destroy`.

    The machine `box`, which the module names, is then as it was.
    """
    made = Project(tmp_path_factory.mktemp("software"), box)
    before = box.snapshot()
    yield made
    assert made.resources() == []
    assert lasting_difference(before, box) == []


def write(project: Project, *lines: str) -> None:
    project.program(HEAD + "".join(f"{line}\n" for line in lines))
