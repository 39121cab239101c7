"""One stack on a machine of the test module's own, for the tests of packages, accounts, units and images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Machine
from tests.lab.project import Project
from tests.lab.support import lasting_difference

HEAD = "from providers.resources.host import ContainerImage, Package, Unit\n"

UNITS = {
    "kinds-real": "[Install]\nWantedBy=multi-user.target\nAlias=kinds-alias.service\n",
    "kinds-static": "",
    "kinds-also": "[Install]\nWantedBy=multi-user.target\nAlso=kinds-along.service\n",
    "kinds-along": "[Install]\nWantedBy=graphical.target\n",
    "kinds-t-there@": "[Install]\nWantedBy=multi-user.target\n",
}
"""Units of others: name -> how they are started."""
SCRIPTS = ("kinds-sysv", "kinds-sysv-off")
SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: {0}
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: a script of System V
### END INIT INFO
case $1 in
start) start-stop-daemon --start --background --make-pidfile --pidfile /run/{0}.pid --startas /bin/sleep -- 1000000 ;;
stop) start-stop-daemon --stop --remove-pidfile --pidfile /run/{0}.pid ;;
esac
"""


def bring_units_of_others(box: Machine, folder: str) -> None:
    """Write units and scripts of System V that are neither Hearth's nor a package's."""
    for name, install in UNITS.items():
        box.write(f"{folder}/{name}.service", f"[Service]\nExecStart=/bin/sleep 1000000\n{install}")
    for name in SCRIPTS:
        box.write(f"/etc/init.d/{name}", SCRIPT.format(name), mode="0755")


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
