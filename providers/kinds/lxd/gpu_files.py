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
from collections.abc import Sequence

HOOK = "/etc/initramfs-tools/scripts/init-top/hearth-vfio"
MODULES_FILE = "/etc/modprobe.d/hearth-vfio.conf"
LOAD_FILE = "/etc/modules-load.d/hearth-vfio.conf"
GRUB_FILE = "/etc/default/grub.d/90-hearth-iommu.cfg"
DRIVERS = ("nvidia", "nouveau", "amdgpu", "radeon", "i915", "xe", "snd_hda_intel", "xhci_pci")
"""Drivers of a card's functions that vfio-pci must come before."""
FILES = (HOOK, MODULES_FILE, LOAD_FILE, GRUB_FILE)
"""Every file that is written; None in a wish is one that is not there."""
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")


def modprobe_conf(drivers: Sequence[str] = DRIVERS) -> str:
    """modprobe.d: vfio-pci is loaded before the drivers that would take the functions first."""
    return "".join(f"softdep {driver} pre: vfio-pci\n" for driver in drivers)


def initramfs_hook(addresses: Sequence[str]) -> str:
    """Return a script of the initramfs: it gives each function to vfio-pci, by its address, before udev comes."""
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
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
# Where it is not in here, the machine loads it a moment later: what drives the functions is settled by now.
modprobe -q vfio-pci || true
"""


def addresses_in(script: str) -> list[str]:
    """Return the functions that a script of `initramfs_hook` gives away; none where it is another's."""
    found = re.search(r"(?m)^for address in \$\(echo (.*)\); do$", script)
    return _ADDRESS.findall(found.group(1)) if found else []


def modules_load() -> str:
    """modules-load.d: vfio-pci is loaded at every boot, and takes what was given to it by then."""
    return "# Written by Hearth: cards that are kept for virtual machines.\nvfio-pci\n"


def wished(reserved: Sequence[str], tables: Sequence[str]) -> dict[str, str]:
    """Return path -> text of every file that keeps functions from a machine whose firmware has these ACPI tables."""
    return {
        HOOK: initramfs_hook(reserved),
        MODULES_FILE: modprobe_conf(),
        LOAD_FILE: modules_load(),
        GRUB_FILE: grub_file(kernel_options(tables)),
    }


def kernel_options(tables: Sequence[str]) -> list[str]:
    """Return the kernel's options for the IOMMU that the firmware's ACPI tables tell of: DMAR is Intel's, IVRS AMD's.

    None where there is neither. The tables and not the processor's vendor, as it is they that the kernel goes by.
    """
    own = [option for table, option in (("DMAR", "intel_iommu=on"), ("IVRS", "amd_iommu=on")) if table in tables]
    return [*own, "iommu=pt"] if own else []


def grub_file(options: Sequence[str]) -> str:
    """Return a file of /etc/default/grub.d that adds options to the kernel's command line, and takes none away."""
    for option in options:
        if not re.fullmatch(r"[A-Za-z0-9_.,:=/-]+", option):
            raise ValueError(
                f"{option!r} is no option of a kernel's command line that needs no quoting; write it plainly"
            )
    return f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {" ".join(options)}"\n'


def split_line(line: str) -> list[str]:
    """Return the options of a kernel's command line; double quotes keep blanks (next_arg() in lib/cmdline.c)."""
    return re.findall(r'(?:[^\s"]|"[^"]*(?:"|$))+', line)
