"""A cluster of two that loses the member with the vote: nothing hangs, and the page's steps bring it back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from checks.result import Status
from lab import Lab
from lab.systems.lxd import instance_image
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import ClusterStack
from tests.lab.systems.lxd.plain_stack import plain_stack
from toolchain.versions import ROOT

pytestmark = pytest.mark.soak
NAMES = ("bcn1", "bcn2")
PAGE = ROOT / "docs" / "systems" / "lxd.md"


def steps(daemon: str) -> str:
    """Return the commands that the page gives for the member that is left, as they stand there."""
    text = PAGE.read_text().partition("### The quorum is lost")[2]
    found = [block for block in re.findall(r"```sh\n(.*?)\n *```", text, re.DOTALL) if f"{daemon}.service" in block]
    return found[0]


@pytest.fixture(params=["lxd", "incus"])
def stack(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    machines = lab.machines(NAMES, image="machine-lxd", fresh=True)
    image = instance_image.put(lab, machines[0], seed=request.param == "incus")
    yield plain_stack(tmp_path_factory.mktemp("quorum"), machines, image, request.param)
    for name in NAMES:
        lab.remove(name)


@pytest.mark.timeout(1800)
def test_a_cluster_that_lost_its_quorum_says_so_in_time_and_is_recovered_as_the_page_says(stack: ClusterStack):
    stack.up()
    until(lambda: not stack.failed(), "every check passes", 120)
    lost, left = stack.machines["bcn1"], stack.machines["bcn2"]
    running = left.run("pgrep -f '[l]xc monitor.*c2'").stdout
    lost.power_cut()
    stack.lose("bcn1")
    stack.settings["profiles"]["container"]["config"] = {"limits.memory": "640MiB"}
    stack.configure()
    workspace = stack.project.workspace
    words = ("up", "--yes", "--skip-preview", "--stack", workspace.stack)
    answer = workspace.pulumi(*words, check=False, timeout=stack.up_seconds)  # it ends by itself, and does not hang
    said = " ".join(shown(answer).split())
    assert answer.returncode != 0, said
    assert "Traceback" not in said
    # Right after the loss it may still answer with an error of its own; then it lets wait. Either says who is away.
    assert re.search(rf"({lost.address}:8443|bcn1) can't be reached", said), said
    assert "one for good: docs/systems/lxd.md, under recovery" in said, said
    (row,) = [row for row in stack.checks() if row.question == "the cluster answers"]
    assert row.status is Status.FAIL
    assert f"{lost.address}:8443 can't be reached" in row.reason, row
    assert left.run("pgrep -f '[l]xc monitor.*c2'").stdout == running  # its instance goes on meanwhile
    left.run("set -e; mkdir -p /run/client; export HOME=/run/client\n" + steps(stack.settings["daemon"]), timeout=240)
    printed = stack.up()
    assert "Traceback" not in printed
    until(lambda: not stack.failed(), "every check passes on the member that is left", 120)
    assert left.run("pgrep -f '[l]xc monitor.*c2'").stdout == running
    again = stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)
