"""Disks of container machines: loop devices of this machine's kernel, under ids such as udev gives to real ones."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.docker.containers import LOOP_MAJOR

if TYPE_CHECKING:
    from collections.abc import Generator

    from lab.machine import Machine

NODES = 64
_NODES = f"""
for number in $(seq 0 {NODES - 1}); do [ -e /dev/loop$number ] || mknod /dev/loop$number b {LOOP_MAJOR} $number; done
mkdir -p /dev/disk/by-id
"""
# Others on this machine take loop devices too: the next free one, until it was really free.
_ATTACH = """
truncate -s {size} {file}
for attempt in 1 2 3 4 5; do device=$(losetup --show --find {file}) && break; done
ln -s "$device" {disk}
"""
_DETACH = "umount -A {disk}; losetup -d $(readlink -f {disk}); rm -f {disk} {file}"


@contextmanager
def disk(machine: Machine, name: str, size: str = "1G") -> Generator[str]:
    """Give a machine (made with `disks=True`) an empty disk; its path by id. It goes with the block, and its data."""
    words = {"size": size, "file": f"/var/tmp/lab-disk-{name}", "disk": f"/dev/disk/by-id/{name}"}
    machine.run("set -e\n" + _NODES + _ATTACH.format(**words))
    try:
        yield words["disk"]
    finally:
        machine.run(_DETACH.format(**words), check=False)
