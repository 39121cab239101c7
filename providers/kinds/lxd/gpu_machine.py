"""Looks at a machine's PCI functions, and hands them from one driver to another; one text, on the machine's own Python.

Reads `{"verb": "look", "files": [...]}`, or `{"verb": "take" | "give back", "functions": {address: driver}}`, on stdin.
Writes one JSON object. `take` gives functions without a driver to vfio-pci; `give back` takes from vfio-pci what nobody
has open, and says of the rest who has.

Sources: Linux Documentation/ABI/testing/sysfs-bus-pci (driver_override, drivers_probe, boot_vga),
Documentation/fb/fbcon.rst, Documentation/driver-api/vfio.rst.
"""

import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

DEVICES = "/sys/bus/pci/devices"
VFIO = "vfio-pci"
LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
# What else may begin this kernel: its name, and a file that is there then.
OTHERS = (
    ("the firmware of a Raspberry Pi", "/boot/firmware/cmdline.txt"),
    ("the firmware of a Raspberry Pi", "/boot/cmdline.txt"),
    ("extlinux", "/boot/extlinux/extlinux.conf"),
    ("systemd-boot", "/etc/kernel/cmdline"),
    ("syslinux", "/boot/syslinux/syslinux.cfg"),
)
SETTLE_SECONDS = 10


def text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def link(path):
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def put(path, value):
    with open(path, "w") as file:
        file.write(value)


def modprobe(*words):
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def function_of(path):
    """Return the PCI function that a device of sysfs is part of: the last address in its path."""
    found = re.findall(r"[0-9a-f]{4,}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", os.path.realpath(path))
    return found[-1] if found and os.path.exists(path) else ""


def consoles():
    """Return how the machine's console is on a function, by the function's address."""
    found = {}
    shown = any(
        "frame buffer" in text(each + "/name") and text(each + "/bind") == "1"
        for each in glob.glob("/sys/class/vtconsole/*")
    )
    buffers = sorted(glob.glob("/sys/class/graphics/fb[0-9]*"), key=lambda each: int(each.rpartition("fb")[2]))
    if shown and buffers:
        found[function_of(buffers[0] + "/device")] = "the kernel's text console, " + os.path.basename(buffers[0])
    # The firmware's frame buffer lies within the memory of a card.
    above = []
    for line in text("/proc/iomem").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.partition(" : ")[2]
        above[depth:] = [name]
        if re.match(r"(?i)bootfb|efifb|vesafb|simple-?fb|simple-framebuffer", name):
            for each in above:
                if os.path.exists(os.path.join(DEVICES, each)):
                    found[each] = "the firmware's frame buffer"
    for each in glob.glob(DEVICES + "/*/boot_vga"):
        if text(each) == "1":
            found[os.path.basename(os.path.dirname(each))] = "the firmware began on it"
    found.pop("", None)
    return found


def parts(folder):
    """Return the disks and network interfaces of a function, by their names."""
    found = []
    for place, names, _ in os.walk(folder):
        if os.path.basename(place) in ("net", "block"):
            found += names
            names[:] = []
        found += [name for name in names if re.match(r"nvme\d+n\d+$", name)]
        names[:] = [name for name in names if not re.match(r"[0-9a-f]{4,}:[0-9a-f]{2}:|power$|msi_irqs$", name)]
    return found


def functions():
    shown = consoles()
    found = []
    for address in sorted(os.listdir(DEVICES)):
        folder = os.path.join(DEVICES, address)
        number = text(folder + "/class")
        found.append(
            {
                "address": address,
                "class": number,
                "vendor": text(folder + "/vendor"),
                "group": link(folder + "/iommu_group"),
                "driver": link(folder + "/driver"),
                "override": text(folder + "/driver_override").replace("(null)", ""),
                "console": shown.get(address, ""),
                "parts": parts(os.path.realpath(folder)) if number[:4] in ("0x01", "0x02") else [],
            }
        )
    return found


def loader():
    """Return what begins this machine's kernel: `grub` where its settings are changed as Hearth does it."""
    try:
        with open(LOADER_INFO, "rb") as file:
            info = file.read()[4:].decode("utf-16-le", "replace").strip("\0 ")
    except OSError:
        info = ""
    if info and not info.lower().startswith("grub"):
        return info
    if os.path.exists("/boot/grub/grub.cfg") and shutil.which("update-grub"):
        return "grub"
    for name, path in OTHERS:
        if os.path.exists(path):
            return name
    return info or "none that is known here"


def kernels():
    """Return the kernels that GRUB can begin with, each line whole."""
    return [line.strip() for line in text("/boot/grub/grub.cfg").splitlines() if re.match(r"\s*linux\s", line)]


def newest(paths):
    times = [os.stat(each).st_mtime for each in paths if os.path.exists(each)]
    return max(times) if times else 0


def look(work):
    files = {}
    for path in work["files"]:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                content = base64.b64encode(file.read()).decode()
            files[path] = {"content": content, "mode": "%04o" % (os.stat(path).st_mode & 0o7777)}
    release = os.uname().release
    initramfs = "/boot/initrd.img-" + release
    return {
        "functions": functions(),
        "files": files,
        "folders": sorted({os.path.dirname(each) for each in work["files"] if os.path.isdir(os.path.dirname(each))}),
        "tables": [each for each in ("DMAR", "IVRS") if os.path.exists("/sys/firmware/acpi/tables/" + each)],
        "line": text("/proc/cmdline"),
        "loader": loader(),
        "kernels": kernels(),
        "initramfs": bool(shutil.which("update-initramfs")),
        # What is newer than the initramfs is not in it.
        "stale": newest([initramfs]) < newest([each for each in work["files"] if "default/grub" not in each]),
        "vfio": os.path.isdir("/sys/bus/pci/drivers/" + VFIO),
    }


def holders(address):
    """Return the processes that have a function's group or device of vfio's open, as `name (pid)`."""
    group = link("%s/%s/iommu_group" % (DEVICES, address))
    places = {"/dev/vfio/" + group}
    for each in glob.glob("%s/%s/vfio-dev/*" % (DEVICES, address)):
        places.add("/dev/vfio/devices/" + os.path.basename(each))
    found = set()
    for each in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(each)
        except OSError:
            continue
        if target in places:
            pid = each.split("/")[2]
            found.add("%s (%s)" % (text("/proc/%s/comm" % pid), pid))
    return sorted(found)


def settled(address, driver):
    """Wait until a function has the driver that it had; udev loads what is missing."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        if link("%s/%s/driver" % (DEVICES, address)) == driver:
            return True
        time.sleep(0.2)
    return False


def take(work):
    modprobe(VFIO)
    for address in work["functions"]:
        folder = os.path.join(DEVICES, address)
        if os.path.isdir(folder) and not os.path.exists(folder + "/driver"):
            put(folder + "/driver_override", VFIO)
            put("/sys/bus/pci/drivers_probe", address)
    return {}


def give_back(work):
    busy, other = {}, {}
    for address, driver in sorted(work["functions"].items()):
        folder = os.path.join(DEVICES, address)
        if not os.path.isdir(folder):
            continue
        if link(folder + "/driver") == VFIO and driver != VFIO:
            who = holders(address)
            if who:
                busy[address] = who
                continue
            put(folder + "/driver_override", "\n")
            put(folder + "/driver/unbind", address)
            if driver:
                # What a rule blacklists is loaded all the same, as it was there before.
                put("/sys/bus/pci/drivers_probe", address)
                if link(folder + "/driver") != driver:
                    modprobe("-a", text(folder + "/modalias"))
                    put("/sys/bus/pci/drivers_probe", address)
                if not settled(address, driver):
                    other[address] = link(folder + "/driver") or "none"
        elif driver != VFIO and text(folder + "/driver_override") == VFIO:
            put(folder + "/driver_override", "\n")
    if work.get("unload") and not busy:
        for module in ("vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "vfio"):
            modprobe("-r", module)
    return {"busy": busy, "other": other}


def main():
    work = json.load(sys.stdin)
    json.dump({"look": look, "take": take, "give back": give_back}[work["verb"]](work), sys.stdout)


main()
