"""What a machine tells of its cards, and what it does with them: its own program, on the kernel's files in a folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from providers.kinds.lxd import gpu_reservation

CARD_NAMES = ("0000:01:00.0", "0000:01:00.1")


class Sysfs:
    """A machine's files of the kernel, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for place in ("sys/bus/pci/devices", "proc", "boot/grub", "sys/class/graphics", "sys/class/vtconsole/vtcon1"):
            (root / place).mkdir(parents=True)
        self.put("sys/bus/pci/drivers_probe", "")

    def put(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def function(self, address: str, device_class: str, group: str = "2", driver: str = "") -> Path:
        own = self.root / "sys/devices/pci0000:00" / address
        own.mkdir(parents=True)
        (self.root / "sys/bus/pci/devices" / address).symlink_to(own)
        (own / "class").write_text(f"{device_class}\n")
        (own / "driver_override").write_text("(null)\n")
        (own / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group}")
        if driver:
            (self.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
            (own / "driver").symlink_to(self.root / "sys/bus/pci/drivers" / driver)
        return own

    def ask(self, **work: Any) -> dict[str, Any]:
        text = gpu_reservation.PROGRAM
        for place in ("/sys", "/proc", "/boot", "/etc/kernel"):
            text = text.replace(f'"{place}', f'"{self.root}{place}')
        given_ = json.dumps(work)
        done = subprocess.run(["python3", "-c", text], input=given_, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def look(self) -> dict[str, Any]:
        return self.ask(verb="look", files=[])

    def consoles(self) -> dict[str, str]:
        return {each["address"]: each["console"] for each in self.look()["functions"] if each["console"]}


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    made = Sysfs(tmp_path)
    made.function("0000:01:00.0", "0x030000", driver="nouveau")
    made.function("0000:01:00.1", "0x040300")
    return made


def test_the_machine_tells_of_every_function(sysfs: Sysfs):
    nic = sysfs.function("0000:04:00.0", "0x020000", "4", "e1000e")
    (nic / "net" / "enp4s0").mkdir(parents=True)
    disk = sysfs.function("0000:05:00.0", "0x010802", "5")
    (disk / "nvme" / "nvme0" / "nvme0n1").mkdir(parents=True)
    found = {each["address"]: each for each in sysfs.look()["functions"]}
    assert (found["0000:01:00.0"]["driver"], found["0000:01:00.0"]["group"]) == ("nouveau", "2")
    assert found["0000:01:00.0"]["override"] == ""
    assert [found[each]["parts"] for each in ("0000:04:00.0", "0000:05:00.0")] == [["enp4s0"], ["nvme0n1"]]


def test_the_console_is_found_where_the_firmware_began_the_kernel_writes_or_a_frame_buffer_lies(sysfs: Sysfs):
    assert sysfs.consoles() == {}
    card = sysfs.root / "sys/devices/pci0000:00/0000:01:00.0"
    (card / "boot_vga").write_text("0\n")
    assert sysfs.consoles() == {}
    sysfs.put(
        "proc/iomem",
        "d0000000-dfffffff : PCI Bus 0000:01\n  d0000000-d0ffffff : 0000:01:00.0\n    d0000000-d02f : BOOTFB\n",
    )
    assert sysfs.consoles() == {"0000:01:00.0": "the firmware's frame buffer"}
    sysfs.put("proc/iomem", "")
    (card / "graphics" / "fb0").mkdir(parents=True)
    (card / "graphics" / "fb0" / "device").symlink_to(card)
    (sysfs.root / "sys/class/graphics/fb0").symlink_to(card / "graphics" / "fb0")
    sysfs.put("sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n")
    sysfs.put("sys/class/vtconsole/vtcon1/bind", "0\n")
    assert sysfs.consoles() == {}
    sysfs.put("sys/class/vtconsole/vtcon1/bind", "1\n")
    assert sysfs.consoles() == {"0000:01:00.0": "the kernel's text console, fb0"}
    (card / "boot_vga").write_text("1\n")
    assert sysfs.consoles() == {"0000:01:00.0": "the firmware began on it"}


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("boot/firmware/cmdline.txt", "", "the firmware of a Raspberry Pi"),
        ("boot/extlinux/extlinux.conf", "", "extlinux"),
        ("etc/kernel/cmdline", "", "systemd-boot"),
        ("boot/nothing", "", "none that is known here"),
        (
            "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
            "\x06\0\0\0" + "".join(f"{each}\0" for each in "systemd-boot 257"),
            "systemd-boot 257",
        ),
    ],
)
def test_another_boot_loader_is_called_by_its_name(sysfs: Sysfs, path: str, text: str, said: str):
    sysfs.put(path, text)
    assert sysfs.look()["loader"] == said


def test_what_has_no_driver_is_taken_at_once_and_what_has_one_never(sysfs: Sysfs):
    sysfs.ask(verb="take", functions=dict.fromkeys(CARD_NAMES, ""))
    folder = sysfs.root / "sys/bus/pci/devices"
    assert (folder / "0000:01:00.1" / "driver_override").read_text() == "vfio-pci"
    assert (folder / "0000:01:00.0" / "driver_override").read_text() == "(null)\n"
    assert (sysfs.root / "sys/bus/pci/drivers_probe").read_text() == "0000:01:00.1"
