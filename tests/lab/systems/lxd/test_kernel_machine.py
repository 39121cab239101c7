"""LXD on a machine with a kernel of its own: a pool of ZFS on a disk, with a container and a virtual machine on it.

The virtual machine is not started. Software emulates the processor, which virtualises too, and LXD starts it there; but
while its firmware runs, the emulator ends: QEMU 10.0 and 11.1, by an assertion in its emulation of that.
One machine for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from checks.result import Status
from lab import Lab
from lab.kernel import KernelMachine, KernelOptions
from lab.kernel.options import VIRTUALISING
from lab.systems.lxd import small_instance
from lab.systems.lxd.disks import disk
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.lxd.cluster_stack import ClusterStack
from tests.lab.systems.lxd.plain_stack import plain_stack

pytestmark = [pytest.mark.soak, pytest.mark.timeout(5400)]
NAME = "own"


@dataclass
class Story:
    stack: ClusterStack
    machine: KernelMachine
    disk: str

    def lxc(self, command: str) -> str:
        """Ask LXD's own client, which has a home of its own for what it leaves."""
        text = f"mkdir -p /run/client; HOME=/run/client lxc {command}"
        return self.machine.run(text, timeout=300).stdout.strip()

    def found_on_the_disk(self) -> str:
        return self.machine.run(f"wipefs --no-act --noheadings --output TYPE {self.disk}").stdout.strip()


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    hardware = KernelOptions(memory=3072, processors=2, processor=VIRTUALISING)
    machine = lab.machine(NAME, image="machine-zfs", kernel=hardware, fresh=True)
    assert isinstance(machine, KernelMachine)
    images = small_instance.put(lab, machine)
    with disk(machine, "lab-zfs", "2G") as path:
        stack = plain_stack(tmp_path_factory.mktemp("kernel"), [machine], images["container"])
        settings = stack.settings
        settings["pools"] = {"fast": {"driver": "zfs", "members": {NAME: {"disk": path}}}}
        settings["images"] = {"small": {"file": images["container"]}, "machine": {"file": images["virtual-machine"]}}
        settings["instances"]["c1"] |= {"image": "small", "memory": "64MiB"}
        stack.configure()
        yield Story(stack, machine, path)
    lab.remove(NAME)


def test_a_pool_of_zfs_is_made_of_a_disk_and_a_container_lives_on_it(story: Story):
    story.stack.up()
    until(lambda: not story.stack.failed(), "every check passes", 300)
    assert "zfs_member" in story.machine.run(f"lsblk --noheadings --output FSTYPE {story.disk}").stdout
    assert story.machine.run("zfs list -H -o name,mounted fast/containers/c1").stdout.split() == [
        "fast/containers/c1",
        "yes",
    ]
    assert story.lxc("exec c1 -- df /").splitlines()[-1].split()[0] == "fast/containers/c1"


def test_a_virtual_machine_is_made_on_it_and_is_not_started(story: Story):
    settings = story.stack.settings
    machine = story.stack.instance(NAME, 2) | {"type": "virtual-machine", "image": "machine", "running": False}
    machine["addresses"].pop("br0")
    settings["instances"]["v1"] = machine | {"config": {}}
    story.stack.configure()
    begun = time.monotonic()
    story.stack.up()
    print(f"up: {time.monotonic() - begun:.0f} s")
    until(lambda: not story.stack.failed(), "every check passes", 300)
    passed = {row.question for row in story.stack.checks() if row.status is Status.PASS}
    assert {f"v1 is a virtual-machine on {NAME}", "v1 is stopped", "v1 has limits.memory 384MiB"} <= passed
    volumes = story.machine.run("zfs list -t volume -H -o name -r fast").stdout.split()
    assert "fast/virtual-machines/v1.block" in volumes


def test_a_second_up_changes_nothing(story: Story):
    again = story.stack.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)


def test_destroy_leaves_the_disk_empty(story: Story):
    story.stack.destroy()
    assert story.found_on_the_disk() == ""
