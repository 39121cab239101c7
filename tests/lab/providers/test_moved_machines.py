"""A machine gets another address in the settings: the same machine is kept, another one gets everything anew.

Two machines and one stack for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, shown
from tests.lab.support import lasting_difference

PROGRAM = """
File("file", host="box", path="/etc/was-there", content="new text\\n")
File("fresh", host="box", path="/etc/fresh", content="fresh\\n")
Block("block", host="box", path="/etc/shared", name="one", content="line")
"""
NAMES = ["block", "file", "fresh"]


@pytest.fixture(scope="module")
def both(machine: MachineFactory) -> tuple[Machine, Machine]:
    made = (machine("moved-one"), machine("moved-two"))
    for each in made:
        each.write("/etc/was-there", f"of {each.name}\n")
        each.write("/etc/shared", "the line of others\n")
    return made


@pytest.fixture(scope="module")
def project(both: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Yield the stack, brought up on the first machine; at the end both machines are as they were."""
    before = [machine.snapshot() for machine in both]
    folder = tmp_path_factory.mktemp("moved")
    made = Project(folder / "project", both[0])
    made.settings(ssh_config=str(with_alias(both[0], folder)))
    made.program(PROGRAM)
    made.up()
    yield made
    made.destroy()
    for machine, snapshot in zip(both, before, strict=True):
        assert lasting_difference(snapshot, machine) == []


def with_alias(one: Machine, folder: Path) -> Path:
    """Return the lab's ssh_config with a second name for the first machine, whose host key is known under it."""
    text = one.ssh_config.read_text()
    entry = text[text.index(f"Host {one.name}\n") :].partition("\n\n")[0]
    again = entry.replace(f"Host {one.name}\n", f"Host other-name\n  HostKeyAlias {one.name}\n")
    config = folder / "ssh_config"
    config.write_text(f"{text}\n{again}\n")
    return config


def at(project: Project, machine: Machine | str) -> None:
    project.settings(hosts={"box": {"address": machine if isinstance(machine, str) else machine.name}})


def has_all(machine: Machine) -> bool:
    text = machine.run("cat /etc/was-there /etc/fresh /etc/shared", check=False).stdout
    return "new text\nfresh\n" in text and "BEGIN hearth one" in text


def has_none(machine: Machine) -> bool:
    return machine.read("/etc/was-there") == f"of {machine.name}\n" and not machine.exists("/var/lib/hearth")


def test_another_address_of_the_same_machine_is_an_update_in_place(project: Project, both: tuple[Machine, Machine]):
    at(project, "other-name")
    planned = shown(project.workspace.preview())
    assert "replace" not in planned
    assert planned.count("box (other-name), until now at moved-one, is the same machine") == 1, planned
    answer = project.up()
    assert "3 updated" in answer.stdout, shown(answer)
    assert has_all(both[0])
    assert project.machines() == {both[0].machine_id()}
    assert project.addresses() == {"other-name"}
    project.up("--expect-no-changes")


def test_another_machine_gets_everything_anew_and_the_old_one_is_restored(
    project: Project, both: tuple[Machine, Machine]
):
    one, two = both
    at(project, two)
    planned = shown(project.workspace.preview())
    assert planned.count("[replace") >= 3 or "3 to replace" in planned, planned
    answer = project.up()
    assert "is another machine than the one at other-name" in answer.stdout
    assert "3 replaced" in answer.stdout, shown(answer)
    assert has_all(two)
    assert has_none(one)
    assert project.machines() == {two.machine_id()}


def test_a_refresh_after_a_move_forgets_nothing_of_the_old_machine(project: Project, both: tuple[Machine, Machine]):
    one, two = both
    at(project, one)
    project.up("--refresh")
    assert has_all(one)
    assert has_none(two)


def test_a_machine_that_is_off_holds_up_its_replacement_until_it_is_declared_lost(
    project: Project, both: tuple[Machine, Machine]
):
    one, two = both
    one.power_cut()
    try:
        at(project, two)
        printed = project.failed_up()
        assert one.name in printed
        assert "can't be reached" in printed
        assert "hearth:lost" in printed
        assert has_all(two)  # the new machine was served first
        project.settings(lost=f'["{one.name}"]')
        answer = project.up()
        assert "declared lost" in shown(answer)
        assert project.resources() == NAMES
        assert project.machines() == {two.machine_id()}
    finally:
        project.settings(lost="[]")
        one.start()
        # What was declared lost is forgotten: its records are all that still knows what was there before.
        one.write("/etc/was-there", f"of {one.name}\n")
        one.write("/etc/shared", "the line of others\n")
        one.run("rm -rf /etc/fresh /var/lib/hearth")


def test_destroy_does_not_wait_for_a_machine_that_is_declared_lost(project: Project, both: tuple[Machine, Machine]):
    _, two = both
    two.power_cut()
    try:
        project.settings(lost=f'["{two.name}"]')
        answer = project.destroy()
        assert "declared lost" in shown(answer)
        assert project.resources() == []
    finally:
        project.settings(lost="[]")
        two.start()
    # It came back after all: the records are there still, so everything can be taken over and put back exactly.
    project.up()
    assert has_all(two)
