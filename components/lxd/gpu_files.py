"""Files that keep graphics cards from a machine for its virtual machines: pure functions.

Cards are named by their PCI addresses: two equal cards have the same ids, and by ids alone both would be taken. The
driver is overridden for each function of a card at boot, before its own driver can take it; a card in use is never
taken from its driver.

Sources: Linux Documentation/driver-api/vfio.rst and Documentation/ABI/testing/sysfs-bus-pci (driver_override),
initramfs-tools(7), modprobe.d(5), kernel-parameters.txt (intel_iommu, amd_iommu, iommu).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOOK = "/etc/initramfs-tools/scripts/init-top/hearth-vfio"
MODULES_FILE = "/etc/modprobe.d/hearth-vfio.conf"
GRUB_FILE = "/etc/default/grub.d/90-hearth-iommu.cfg"
DRIVERS = ("nvidia", "nouveau", "amdgpu", "radeon", "i915", "xe", "snd_hda_intel", "xhci_pci")
"""Drivers of a card's functions that vfio-pci must come before."""
BRIDGE_CLASS = "0x06"


@dataclass(frozen=True)
class Function:
    """A function of a PCI device, as sysfs has it."""

    address: str
    device_class: str
    """As 0x030000: a display controller."""
    group: str
    """Number of its IOMMU group; empty where there is none."""
    driver: str = ""
    boot_display: bool = False
    """Whether the console is on it."""


class NotReservable(ValueError):
    """A card can't be kept for virtual machines."""


def to_reserve(cards: Sequence[str], functions: Sequence[Function], *, console: bool = False) -> list[str]:
    """Return all functions that go with some cards.

    Their other functions, and the rest of their IOMMU groups but for bridges.

    Raises NotReservable where a card is not there, has no group, or drives the console and that was not allowed.
    """
    known = {each.address: each for each in functions}
    found: set[str] = set()
    for card in cards:
        slot = card.rpartition(".")[0]
        own = [each for each in functions if each.address.rpartition(".")[0] == slot]
        if card not in known:
            raise NotReservable(f"there is no PCI device {card}; `lspci -D` on the machine shows what there is")
        if any(not each.group for each in own):
            raise NotReservable(
                f"{card} is in no IOMMU group: switch on VT-d or AMD-Vi in the firmware, and restart the machine"
            )
        groups = {each.group for each in own}
        together = [
            each for each in functions if each.group in groups and not each.device_class.startswith(BRIDGE_CLASS)
        ]
        shown = [each.address for each in together if each.boot_display]
        if shown and not console:
            raise NotReservable(
                f"{shown[0]} drives the machine's own console, which would go dark; allow it with `console-gpu: true`"
            )
        found |= {each.address for each in together}
    return sorted(found)


def modprobe_conf(drivers: Sequence[str] = DRIVERS) -> str:
    """modprobe.d: vfio-pci is loaded before the drivers that would take the functions first."""
    return "".join(f"softdep {driver} pre: vfio-pci\n" for driver in drivers)


def initramfs_hook(addresses: Sequence[str]) -> str:
    """Return a script of the initramfs: it gives each function to vfio-pci, by its address, before udev comes."""
    for address in addresses:
        if not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", address):
            raise ValueError(f"{address!r} is no PCI address; write it as 0000:01:00.0")
    listed = shlex.quote(" ".join(addresses))
    return f"""#!/bin/sh
# Written by Hearth: these functions are kept for virtual machines.
[ "${{1:-}}" != prereqs ] || exit 0
for address in $(echo {listed}); do
    device=/sys/bus/pci/devices/$address
    # One that has a driver already is in use: it stays.
    [ -e "$device" ] && [ ! -e "$device/driver" ] || continue
    echo vfio-pci > "$device/driver_override"
done
modprobe vfio-pci
"""


def kernel_options(vendor: str) -> list[str]:
    """Return the kernel's options for an IOMMU, by the processor's vendor as /proc/cpuinfo says it."""
    return ["intel_iommu=on", "iommu=pt"] if vendor == "GenuineIntel" else ["amd_iommu=on", "iommu=pt"]


def grub_file(options: Sequence[str]) -> str:
    """Return a file of /etc/default/grub.d that adds options to the kernel's command line, and takes none away."""
    for option in options:
        if not re.fullmatch(r"[A-Za-z0-9_.,:=/-]+", option):
            raise ValueError(
                f"{option!r} is no option of a kernel's command line that needs no quoting; write it plainly"
            )
    return f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {" ".join(options)}"\n'


def with_options(line: str, options: Sequence[str]) -> str:
    """Return a kernel's command line with options: one that is there with another value gets this one, in its place.

    For loaders whose whole line is one file, as /etc/kernel/cmdline or a Raspberry Pi's cmdline.txt. Quoted values are
    kept whole.
    """
    words = split_line(line)
    for option in options:
        name = option.partition("=")[0]
        if option in words:
            continue
        places = [number for number, word in enumerate(words) if word.partition("=")[0] == name and "=" in word]
        if places and "=" in option:
            words[places[-1]] = option
        else:
            words.append(option)
    return " ".join(words)


def split_line(line: str) -> list[str]:
    """Return the options of a kernel's command line; double quotes keep blanks (next_arg() in lib/cmdline.c)."""
    return re.findall(r'(?:[^\s"]|"[^"]*(?:"|$))+', line)


def devices(functions: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return LXD's devices that hand a card to a virtual machine.

    The card is a `gpu`, each other function of it a `pci` (canonical/lxd#12643).
    """
    found: dict[str, Mapping[str, str]] = {}
    for number, address in enumerate(functions):
        first = address.endswith(".0")
        kind = {"type": "gpu", "gputype": "physical", "pci": address} if first else {"type": "pci", "address": address}
        found[f"gpu{number}"] = kind
    return found
