"""What a machine with a kernel of its own is made of, and the options of `docker create` that follow."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.docker.containers import missing_capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "/srv/own"
"""Where a machine's own things are in its container: disk, seed, QEMU's further options, the kernel's command line."""
STOP_SECONDS = 120
VIRTUALISING = "max,la57=off"
PROCESSOR = f"{VIRTUALISING},svm=off"
DISPLAY = ("bochs-display", "intel-hda")
# A port of its own and, behind it, one card with two functions: what stands in one IOMMU group goes to one owner.
GRAPHICS_WORDS = (
    *("-device", "intel-iommu"),
    *("-device", "pcie-root-port,id=graphics,chassis=1,slot=1,bus=pcie.0"),
    *("-device", f"{DISPLAY[0]},bus=graphics,addr=0.0,multifunction=on"),
    *("-device", f"{DISPLAY[1]},bus=graphics,addr=0.1"),
)


@dataclass(frozen=True)
class KernelOptions:
    """What a machine's emulated hardware is, fixed when it is made.

    `memory` is in MiB. `graphics` adds a graphics card with its audio function, alone in an IOMMU group, and turns the
    IOMMU on. `processor` is a model of QEMU's; VIRTUALISING emulates AMD's virtualisation too. `command_line` is added
    to the kernel's, and may be changed later: see KernelMachine.set_command_line. Page tables of five levels are left
    out: they serve more than 64 TiB, and software walks them at each miss of the TLB, a quarter of a boot's processor
    time. There is one processor: in software two wait for each other (ADR 59).
    """

    memory: int = 2048
    processors: int = 1
    processor: str = PROCESSOR
    graphics: bool = False
    command_line: str = ""

    @property
    def kernel_words(self) -> str:
        """What is added to the kernel's command line."""
        return " ".join(word for word in ("intel_iommu=on" if self.graphics else "", self.command_line) if word)

    def files(self) -> dict[str, str]:
        """Return the files below OWN that QEMU is started from."""
        words = GRAPHICS_WORDS if self.graphics else ()
        return {"options": "".join(f"{word}\n" for word in words), "command-line": f"{self.kernel_words}\n"}


def container_options(options: KernelOptions, names_address: str) -> list[str]:
    """Return the options of `docker create` for the container that QEMU runs in.

    It never gets /dev/kvm: that of a machine which is a virtual one itself may be of a kind that stock kernels hang on.
    """
    dropped = missing_capabilities(Path("/proc/self/status").read_text())
    words = ["--cap-add", "NET_ADMIN"] if "NET_ADMIN" not in dropped else []
    words += ["--device", "/dev/net/tun", "--security-opt", "apparmor=unconfined"]
    environment = {
        "HEARTH_CPU": options.processor,
        "HEARTH_PROCESSORS": str(options.processors),
        "HEARTH_MEMORY": str(options.memory),
        "HEARTH_NAMES": names_address,
    }
    words += [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
    # As with the lab's other machines: one that powers itself off comes back.
    return [*words, "--stop-signal", "SIGTERM", "--stop-timeout", str(STOP_SECONDS), "--restart", "always"]


def as_tar(files: Mapping[str, str]) -> bytes:
    """Return a tar of text files by path, in folders that others may read: what `docker cp -` takes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folders = sorted({str(parent) for path in files for parent in Path(path).parents if str(parent) != "."})
        for name in folders:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()
