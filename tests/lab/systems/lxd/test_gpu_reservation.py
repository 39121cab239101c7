"""A card kept from its machine by the real engine: a kernel of its own, GRUB, Debian's initramfs, an emulated card.

One machine for all; the tests are in the order in which things happen. Software emulates the processor: making an
initramfs takes a minute or two, and so does a boot.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest

from checks.lxd.cards import check_reserved
from checks.result import CheckResult, Status
from checks.run import connected
from checks.system import Context
from components.lxd.deployed import DeployedCards
from config.hosts import Machines
from lab import Lab, difference
from lab.kernel import KernelMachine, KernelOptions
from lab.snapshot import Snapshot
from lab.systems.lxd import boot_loader
from providers.kinds.lxd import gpu_files, gpu_reservation
from tests.lab.project import Project, shown, went_well

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

CARD, AUDIO = "0000:01:00.0", "0000:01:00.1"
DRIVERS = {CARD: "bochs-drm", AUDIO: "snd_hda_intel"}
UP_SECONDS = 1800.0
PROGRAM = """
from components.lxd import gpu
from config.systems.lxd import Lxd


class Machines(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("hearth:lxd:Cluster", "lxd")


settings = Lxd.model_validate({settings!r})
for member, reserved in gpu.reserve(Machines(), "lxd", settings).items():
    pulumi.export(member, reserved.functions)
    pulumi.export("waiting", reserved.waiting)
"""


class Story:
    """The stack, its machine, and what was on it."""

    def __init__(self, project: Project, machine: KernelMachine) -> None:
        self.project, self.machine = project, machine
        self.namespace: dict[str, Any] = {
            "hosts": {"gpu": {"address": "gpu"}},
            "ssh-config": str(machine.ssh_config),
        }
        project.settings(hosts=self.namespace["hosts"], ssh_config=self.namespace["ssh-config"])
        self.before: Snapshot = machine.snapshot()

    def wish(self, **member: Any) -> None:
        content = {"members": {"gpu": {"address": self.machine.address, "gpus": [CARD], **member}}}
        self.project.program(PROGRAM.format(settings=content))

    def pulumi(self, verb: str, *flags: str) -> str:
        """Run `pulumi up` or `destroy`, which must go well; all that it printed."""
        workspace = self.project.workspace
        words = (verb, "--yes", "--skip-preview", "--stack", workspace.stack, *flags)
        started = time.monotonic()
        printed = shown(went_well(workspace.pulumi(*words, check=False, timeout=UP_SECONDS)))
        print(f"{' '.join((verb, *flags))}: {time.monotonic() - started:.0f} s")
        return printed

    def drivers(self) -> dict[str, str]:
        return {
            each: self.machine.run(f"basename $(readlink /sys/bus/pci/devices/{each}/driver)").stdout.strip()
            for each in DRIVERS
        }

    def rows(self) -> list[CheckResult]:
        """Ask what `make check` asks of the card."""

        async def ask() -> list[CheckResult]:
            async with connected(Machines.from_namespace(self.namespace), self.project.workspace.folder) as inventory:
                cards = DeployedCards(cards=[CARD], restart=False, instances={})
                return await Context(inventory).on("gpu", lambda session: check_reserved(session, cards))

        return asyncio.run(ask())

    def failed(self) -> dict[str, str]:
        return {row.question: row.reason for row in self.rows() if row.status is Status.FAIL}


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    # As on a machine whose kernel has the IOMMU off: Debian's own has Intel's on.
    processor = f"{KernelOptions.processor},vendor=GenuineIntel"
    words = "intel_iommu=off"
    hardware = KernelOptions(graphics=True, processors=2, processor=processor, command_line=words)
    made = lab.machine("gpu", image="machine-podman", kernel=hardware, fresh=True)
    assert isinstance(made, KernelMachine)
    boot_loader.install(made, "intel_iommu=off")
    yield Story(Project(tmp_path_factory.mktemp("gpu"), made), made)
    lab.remove("gpu")


def test_the_card_of_the_console_is_refused_and_nothing_is_changed(story: Story):
    assert story.drivers() == DRIVERS
    assert not story.machine.exists("/sys/kernel/iommu_groups/0"), "the IOMMU is off"
    story.wish()
    printed = story.project.failed_up()
    assert f"{CARD} drives the machine's own console (the kernel's text console, fb0)" in printed
    assert "console-gpu: true" in printed
    assert "nothing was changed" in printed
    assert not any(story.machine.exists(path) for path in gpu_files.FILES)


def test_without_leave_to_restart_up_says_that_one_is_needed_and_takes_no_card_from_its_driver(story: Story):
    boot = story.machine.boot_id()
    story.wish(**{"console-gpu": True})
    printed = story.pulumi("up")
    assert "gpu must be restarted before its cards are kept for virtual machines" in printed
    assert story.machine.boot_id() == boot
    assert story.drivers() == DRIVERS
    assert "IOMMU" in story.project.workspace.outputs()["waiting"]
    assert story.failed()[f"gpu: every function of {CARD} is with vfio-pci"].endswith("Restart gpu")
    # What waits for somebody's hand is no drift.
    assert story.project.workspace.drift().returncode == 0


def test_a_preview_announces_the_restart_that_it_may_make_and_touches_nothing(story: Story):
    boot = story.machine.boot_id()
    story.wish(**{"console-gpu": True, "restart": True})
    preview = story.project.workspace.preview()
    assert "`up` restarts gpu where that is needed, and waits for it" in shown(preview)
    assert story.machine.boot_id() == boot


def test_up_restarts_the_machine_waits_for_it_and_the_whole_card_is_kept(story: Story):
    boot = story.machine.boot_id()
    story.pulumi("up")
    assert story.machine.boot_id() != boot
    assert story.drivers() == dict.fromkeys(DRIVERS, "vfio-pci")
    assert story.project.workspace.outputs()["gpu"] == [CARD, AUDIO]
    assert story.project.workspace.outputs()["waiting"] == ""
    line = story.machine.read("/proc/cmdline").split()
    assert line.index("intel_iommu=off") < line.index("intel_iommu=on")
    assert "BOOT_IMAGE" in line[0], "GRUB began it"
    assert {row.status for row in story.rows()} == {Status.PASS}
    taken = story.machine.run("ls /sys/bus/pci/drivers/vfio-pci").stdout.split()
    assert [each for each in taken if each[:5] == "0000:"] == [CARD, AUDIO]


def test_a_second_up_changes_nothing_and_restarts_nothing(story: Story):
    boot = story.machine.boot_id()
    again = story.project.workspace.up("--refresh", "--expect-no-changes", check=False)
    assert again.returncode == 0, shown(again)
    assert story.machine.boot_id() == boot


def test_a_function_that_went_back_to_its_driver_and_a_file_that_is_gone_are_named_and_repaired(story: Story):
    folder = f"/sys/bus/pci/devices/{AUDIO}"
    story.machine.run(
        f"rm {gpu_files.GRUB_FILE}; echo > {folder}/driver_override; echo {AUDIO} > {folder}/driver/unbind"
    )
    named = story.failed()
    assert gpu_files.GRUB_FILE in named.get("gpu: its files keep its cards at every boot", ""), named
    assert f"{AUDIO}: no driver" in named[f"gpu: every function of {CARD} is with vfio-pci"], named
    preview = story.project.workspace.drift()
    assert preview.returncode == 7, shown(preview)
    boot = story.machine.boot_id()
    story.pulumi("up", "--refresh")
    # What no driver had was taken at once.
    assert story.machine.boot_id() == boot
    assert story.failed() == {}


def test_what_a_process_has_open_is_not_taken_from_it(story: Story):
    group = story.machine.run(f"basename $(readlink /sys/bus/pci/devices/{CARD}/iommu_group)").stdout.strip()
    story.machine.run(f"systemd-run --unit hold sh -c 'exec 3<>/dev/vfio/{group}; exec sleep 600'; sleep 3")
    work = json.dumps({"verb": "give back", "functions": DRIVERS, "unload": False})
    told = json.loads(story.machine.run(f"python3 -c {shlex.quote(gpu_reservation.PROGRAM)}", stdin=work).stdout)
    assert {address: who[0].partition(" ")[0] for address, who in told["busy"].items()} == dict.fromkeys(
        DRIVERS, "sleep"
    )
    assert story.drivers() == dict.fromkeys(DRIVERS, "vfio-pci")
    story.machine.run("systemctl stop hold")


def test_destroy_gives_each_function_its_driver_and_the_machine_its_files_back(story: Story):
    boot = story.machine.boot_id()
    story.pulumi("destroy")
    assert story.machine.boot_id() == boot, "nothing used the card: no restart"
    assert story.drivers() == DRIVERS
    assert not any(story.machine.exists(path) for path in gpu_files.FILES)
    assert "intel_iommu=on" not in story.machine.read("/boot/grub/grub.cfg")
    held = story.machine.run("lsinitramfs /boot/initrd.img-$(uname -r)", timeout=600).stdout
    assert "hearth-vfio" not in held
    made_anew = {"/var/lib/initramfs-tools/*": "the digest of the initramfs"}
    assert difference(story.before, story.machine.snapshot(), made_anew) == []
