"""An image for LXD's containers, made from one of the lab's own images: no public image server is needed.

The form is LXD's unified one: one archive with `metadata.yaml` and `rootfs/` (canonical/lxd
doc/reference/image_format.md).
"""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING, BinaryIO, cast

from lab.docker import cli
from lab.locks import machine_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.machine import Machine
    from lab.maker import Maker

RECIPE = "lxd-instance"
METADATA = """\
architecture: {architecture}
creation_date: {created}
properties:
  os: Debian
  release: trixie
  description: Debian 13 of the lab
"""
# How Incus hands its keys to cloud-init, and LXD where an image has these: files for its source NoCloud, filled in when
# an instance is made. Incus is none of cloud-init's other sources (lxc/incus#3434).
SEED = "/var/lib/cloud/seed/nocloud-net"
TEMPLATES = {
    "meta-data": "instance-id: {{ container.name }}\nlocal-hostname: {{ container.name }}\n",
    "user-data": '{{ config_get("user.user-data", "") }}',
    "network-config": """{% if config_get("user.network-config", "") == "" %}version: 2
ethernets:
  eth0: {dhcp4: true}
{% else %}{{ config_get("user.network-config", "") }}{% endif %}""",
}
# What Docker puts into a container's root, and an instance must have of its own.
LEFT_OUT = (".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf")


def put(lab: Maker, machine: Machine, path: str = "/srv/instance-image.tar", *, seed: bool = False) -> str:
    """Lay the image's archive on a machine; its path there. With `seed` it has what cloud-init needs under Incus."""
    tag = lab.images.ensure(RECIPE)
    if machine.exists(path):
        return path
    name = f"{machine.container}-image"
    with machine_lock(name):
        cli.docker("create", "--name", name, tag, "true")
        try:
            _stream(name, machine.container, path, TEMPLATES if seed else {})
        finally:
            cli.docker("rm", "--force", name)
    return path


def _stream(source: str, container: str, path: str, templates: Mapping[str, str]) -> None:
    """Pass `docker export` on to a file on the machine: one pass, nothing kept here."""
    with (
        subprocess.Popen(["docker", "export", source], stdout=subprocess.PIPE) as export,
        subprocess.Popen(
            ["docker", "exec", "-i", container, "sh", "-c", f"cat > {path}.part && mv {path}.part {path}"],
            stdin=subprocess.PIPE,
        ) as writer,
    ):
        assert export.stdout is not None
        assert writer.stdin is not None
        unified(cast(BinaryIO, export.stdout), cast(BinaryIO, writer.stdin), templates)
        writer.stdin.close()
        if export.wait() or writer.wait():
            raise OSError(f"the image {source} could not be laid on {container}")


def unified(root: BinaryIO, into: BinaryIO, templates: Mapping[str, str] | None = None) -> None:
    """Turn a tar of a root into LXD's form of an image; `templates` are files of SEED, by name."""
    text = METADATA.format(architecture=platform.machine(), created=int(time.time()))
    files = {f"templates/{name}.tpl": template for name, template in (templates or {}).items()}
    if templates:
        text += "templates:\n" + "".join(
            f"  {SEED}/{name}: {{when: [create, copy], template: {name}.tpl}}\n" for name in templates
        )
    with tarfile.open(fileobj=root, mode="r|") as old, tarfile.open(fileobj=into, mode="w|") as new:
        for name, content in {"metadata.yaml": text, **files}.items():
            head = tarfile.TarInfo(name)
            data = content.encode()
            head.size = len(data)
            new.addfile(head, io.BytesIO(data))
        for member in old:
            if member.name in LEFT_OUT:
                continue
            member.name = f"rootfs/{member.name}"
            # Of a name that is not ASCII it has the whole path, which would win over the new one.
            member.pax_headers = {key: value for key, value in member.pax_headers.items() if "path" not in key}
            if member.islnk():
                member.linkname = f"rootfs/{member.linkname}"
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
