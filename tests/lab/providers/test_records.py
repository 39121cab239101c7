"""What was there before is put back after a stack got another name, and where two stacks have the same thing.

HEARTH_SEED repeats a run (tests/conftest.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.killing import SEED
from tests.lab.project import Project, about, shown, went_well
from tests.lab.support import lasting_difference

PROGRAM = """
from providers.resources.host import Unit
system = pulumi.ComponentResource("hearth:test:System", "system")
inside = ResourceOptions(parent=system)
File("old", host="box", path="/etc/was-there", content="new text\\n", mode="0600", opts=inside)
File("fresh", host="box", path="/etc/fresh", content="fresh\\n", opts=inside)
Block("block", host="box", path="/etc/shared", name="one", content="line")
user = User("user", host="box", name="renamed")
Unit("unit", host="box", name="renamed.service", enabled=True, running=True,
     text="[Service]\\nUser=renamed\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n",
     opts=ResourceOptions(depends_on=[user]))
"""


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("renamed")
    made.write("/etc/was-there", "old text\n", mode="0640", owner="root:adm")
    made.write("/etc/shared", "the line of others")
    return made


def renamed(project: Project) -> Project:
    """Return the project after `pulumi stack rename`, and with another name of the component of two files."""
    project.workspace.pulumi("stack", "rename", "--stack", "dev", "later")
    text = (project.workspace.folder / "__main__.py").read_text()
    text = text.replace('"system")', '"host", None, ResourceOptions(aliases=[pulumi.Alias(name="system")]))')
    project.workspace.write(text)
    project.workspace = replace(project.workspace, stack="later")
    return project


def nothing_more(project: Project) -> None:
    """Taken down at once."""


def drift_repaired(project: Project) -> None:
    project.machine.run("rm /etc/fresh /etc/was-there; sed -i '/^line$/d' /etc/shared; systemctl stop renamed.service")
    drift = project.workspace.drift()
    assert drift.returncode == 7, shown(drift)
    project.up("--refresh")


def an_update(project: Project) -> None:
    text = (project.workspace.folder / "__main__.py").read_text()
    project.workspace.write(text.replace("new text", "newer text").replace('"line"', '"another line"'))
    project.up()


BETWEEN = [nothing_more, drift_repaired, an_update]
SAMPLE = random.Random(SEED).choice(BETWEEN)
"""What every test run tries in between; `make soak` tries the others."""


@pytest.mark.parametrize(
    "then", [pytest.param(each, marks=[] if each is SAMPLE else pytest.mark.soak) for each in BETWEEN]
)
def test_a_stack_that_was_renamed_is_destroyed_exactly(box: Machine, tmp_path: Path, then: Callable[[Project], None]):
    before = box.snapshot()
    project = Project(tmp_path / "project", box)
    project.program(PROGRAM)
    project.up()
    project = renamed(project)
    then(project)
    answer = project.destroy()
    assert "warning" not in shown(answer)
    assert lasting_difference(before, box) == []


def test_what_nobody_knows_any_more_is_left_with_a_warning_at_the_end(box: Machine, tmp_path: Path):
    project = Project(tmp_path / "project", box)
    project.program('File("fresh", host="box", path="/etc/fresh", content="fresh")')
    project.up()
    box.run("rm -r /var/lib/hearth")
    printed = shown(went_well(project.workspace.destroy(check=False)))
    box.run("rm /etc/fresh")
    diagnostics = printed[printed.index("Diagnostics:") :]
    assert "warning" in diagnostics
    assert "what was there before box/etc/fresh: it was left as it is" in diagnostics
    assert "remove it by hand on box: rm /etc/fresh" in diagnostics


def test_a_record_that_a_power_cut_left_empty_is_a_warning_of_its_resource_alone(box: Machine, tmp_path: Path):
    before = box.snapshot()
    project = Project(tmp_path / "project", box)
    project.program(
        'for name in ("fresh", "edited", "whole"):\n    File(name, host="box", path=f"/etc/{name}", content="ours\\n")'
    )
    project.up()
    box.run("cd /var/lib/hearth/records; for file in $(grep -l -e etc/fresh -e etc/edited *); do : >$file; done")
    box.run("echo theirs >/etc/edited; rm /etc/whole")
    drift = project.workspace.drift()
    assert drift.returncode == 7, shown(drift)
    printed = shown(project.up("--refresh"))
    assert "0 bytes that are no record" in about(printed, "edited"), printed
    assert box.run("cat /etc/fresh /etc/edited /etc/whole").stdout == "ours\n" * 3
    drift = project.workspace.drift()
    assert drift.returncode == 0, shown(drift)
    printed = shown(project.destroy())
    assert "0 bytes that are no record" in about(printed, "fresh"), printed
    # What stood in the file when it was looked at again counts as what was there before.
    assert box.run("cat /etc/fresh /etc/edited; rm /etc/fresh /etc/edited").stdout == "ours\ntheirs\n"
    assert lasting_difference(before, box) == []


def test_of_two_stacks_on_one_machine_the_last_one_to_go_puts_back_what_was_there(box: Machine, tmp_path: Path):
    before = box.snapshot()
    first, second = (Project(tmp_path / name, box) for name in ("first", "second"))
    second.workspace.pulumi("stack", "rename", "--stack", "dev", "second")
    second.workspace = replace(second.workspace, stack="second")
    for project in (first, second):
        project.program('File("old", host="box", path="/etc/was-there", content="new text\\n")')
        project.up()
    answer = first.destroy()
    assert "box/etc/was-there stays for the stack second of trial, which has it too" in shown(answer)
    assert box.read("/etc/was-there") == "new text\n"
    second.destroy()
    assert lasting_difference(before, box) == []
