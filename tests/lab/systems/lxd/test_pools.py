"""A pool of btrfs on a real disk: what can't be taken is refused, what may be is wiped, and it is empty afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab import Lab, Machine, Snapshot
from lab.systems.lxd import instance_image
from lab.systems.lxd.disks import disk
from tests.lab.project import shown
from tests.lab.support import lasting_difference, until
from tests.lab.systems.lxd.cluster_stack import ClusterStack
from tests.lab.systems.lxd.plain_stack import plain_stack

pytestmark = pytest.mark.soak  # a minute and a half
NAME = "bcn1"
# Holds a disk for itself, as whoever mounts it does.
HOLDER = "import os, sys, time; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL); time.sleep(600)"


@dataclass
class Story:
    stack: ClusterStack
    machine: Machine
    before: Snapshot
    full: str
    """Id of a disk with something on it."""
    empty: str

    def pool(self, **keys: Any) -> None:
        """Wish for the pool `fast` with these keys of its one member."""
        self.stack.settings["pools"]["fast"] = {"driver": "btrfs", "members": {NAME: keys}}
        self.stack.configure()

    def content(self, path: str) -> str:
        return self.machine.run(f"sha256sum < {path}", timeout=60).stdout

    def lxc(self, command: str) -> str:
        """Ask LXD's own client, which has a home of its own for what it leaves."""
        return self.machine.run(f"mkdir -p /run/client; HOME=/run/client lxc {command}").stdout.strip()

    def found_on(self, path: str) -> str:
        return self.machine.run(f"wipefs --no-act --noheadings --output TYPE {path}").stdout.strip()


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    machine = lab.machine(NAME, image="machine-lxd", fresh=True, disks=True)
    image = instance_image.put(lab, machine)
    with disk(machine, "lab-full") as full, disk(machine, "lab-empty") as empty:
        machine.run(f"mkswap -q {full}")
        stack = plain_stack(tmp_path_factory.mktemp("pools"), [machine], image)
        stack.settings["pools"] = {"default": {}}
        yield Story(stack, machine, machine.snapshot(), full, empty)
    lab.remove(NAME)  # once its disks are let go of: they are this machine's loop devices


@pytest.mark.timeout(900)
def test_a_disk_that_is_not_there_in_use_or_not_empty_is_refused_and_not_a_byte_of_it_changes(story: Story):
    story.pool(disk="/dev/disk/by-id/lab-other")
    assert f"{NAME}: /dev/disk/by-id/lab-other is not there" in story.stack.project.failed_up()
    before = story.content(story.full)
    story.pool(disk=story.full)
    assert f"{NAME}: {story.full} is not empty (swap)" in story.stack.project.failed_up()
    assert story.content(story.full) == before
    story.machine.run(f"systemd-run --unit=lab-holder python3 -c '{HOLDER}' {story.full}")
    story.pool(disk=story.full, wipe=True)
    assert f"{NAME}: {story.full} is in use" in story.stack.project.failed_up()
    story.machine.run("systemctl stop lab-holder")
    assert story.content(story.full) == before


@pytest.mark.timeout(600)
def test_with_wipe_the_disk_is_taken_and_an_instance_lives_on_it(story: Story):
    story.stack.settings["pools"]["other"] = {"driver": "btrfs", "members": {NAME: {"disk": story.empty}}}
    story.stack.settings["pools"]["file"] = {"driver": "btrfs", "members": {NAME: {"size": "500MiB"}}}
    story.stack.settings["profiles"]["container"]["devices"] = {"root": {"type": "disk", "path": "/", "pool": "fast"}}
    story.pool(disk=story.full, wipe=True)
    story.stack.up()
    until(lambda: not story.stack.failed(), "every check passes", 120)
    assert story.found_on(story.full) == story.found_on(story.empty) == "btrfs"
    assert story.lxc("storage get fast source") == ""  # each member has its own
    assert story.lxc(f"storage get fast volatile.initial_source --target {NAME}") == story.full
    assert "container,c1" in story.lxc("storage volume list fast --format csv")


def test_a_pool_on_a_disk_that_is_there_is_no_difference(story: Story):
    again = story.stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


@pytest.mark.timeout(600)
def test_destroy_leaves_the_disks_empty_and_the_machine_as_it_was(story: Story):
    story.stack.destroy()
    assert (story.found_on(story.full), story.found_on(story.empty)) == ("", "")
    assert lasting_difference(story.before, story.machine) == []
