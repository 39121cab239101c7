"""Makes the disks of machines with a kernel of their own: each a lab image on top of QEMU's, kept like the others."""

from __future__ import annotations

import hashlib
import subprocess
import time
from typing import TYPE_CHECKING

from lab.docker import cli, recipes
from lab.errors import EngineError
from lab.locks import machine_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.docker.images import Images

MAKE_SECONDS = 600
MAKE_DISK = "/usr/local/lib/hearth-lab/make-disk"


def ensure_disk(images: Images, image: str, say: Callable[[str], None]) -> str:
    """Return the tag of the image that runs `image` on a kernel of its own, having made it if it was missing.

    It holds disk, kernel and initramfs of that image; a machine's own disk is a thin layer over it.
    """
    name = f"{image}{recipes.KERNEL}"
    tag = disk_tag(images.tag("emulator"), images.tag(name), image)
    if cli.inspect("image", tag) is not None:
        return tag
    emulator, content = images.ensure_all(["emulator", name])
    with machine_lock(f"image-{tag}"):
        if cli.inspect("image", tag) is None:
            started = time.monotonic()
            _make(emulator, content, tag)
            say(f"image {image}: disk made in {time.monotonic() - started:.0f} s")
    return tag


def disk_tag(emulator: str, content: str, image: str) -> str:
    """Return the tag of a disk's image: another QEMU or another content, another tag."""
    return f"{recipes.REPOSITORY}/{image}-disk:{hashlib.sha256(f'{emulator} {content}'.encode()).hexdigest()[:12]}"


def _make(emulator: str, content: str, tag: str) -> None:
    source = cli.docker("create", content).stdout.strip()
    work = cli.docker("create", "--interactive", "--entrypoint", MAKE_DISK, emulator).stdout.strip()
    try:
        with subprocess.Popen(
            ["docker", "export", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as export:
            done = subprocess.run(
                ["docker", "start", "--attach", "--interactive", work],
                stdin=export.stdout,
                capture_output=True,
                text=True,
                timeout=MAKE_SECONDS,
                check=False,
            )
        if done.returncode or export.returncode:
            words = "\n".join(done.stderr.strip().splitlines()[-8:])
            raise EngineError(
                f"The disk of {tag} could not be made ({done.returncode}, export {export.returncode}). Nothing is left "
                f"of it; try again once this is put right:\n{words}"
            )
        changes = ('ENTRYPOINT ["/usr/local/lib/hearth-lab/emulate"]', "CMD []")
        words = [word for change in changes for word in ("--change", change)]
        cli.docker("commit", *words, work, tag, timeout=MAKE_SECONDS)
    finally:
        cli.docker("rm", "--force", "--volumes", source, work, check=False)
