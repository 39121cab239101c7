"""The archive of an instance's image: everything of the root is under `rootfs/`, whatever it is called."""

from __future__ import annotations

import io
import tarfile

import yaml

from lab.systems.lxd.instance_image import LEFT_OUT, SEED, TEMPLATES, unified

NAMES = ("etc/passwd", "etc/ssl/NetLock_Arany_=Class_Gold=_Főtanúsítvány.pem", f"var/{'long/' * 40}file")


def root() -> io.BytesIO:
    """Return a root as `docker export` gives it, with names that need a header of their own."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in (*NAMES, *LEFT_OUT):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()[: len(name)]))
        for number, name in enumerate(NAMES):
            link = tarfile.TarInfo(f"link{number}ő")
            link.type, link.linkname = tarfile.LNKTYPE, name
            archive.addfile(link)
    made.seek(0)
    return made


def test_every_name_and_every_target_of_a_hard_link_is_under_rootfs():
    made = io.BytesIO()
    unified(root(), made)
    made.seek(0)
    with tarfile.open(fileobj=made) as archive:
        head, *members = archive.getmembers()
        metadata = archive.extractfile(head)
        assert metadata is not None
        assert yaml.safe_load(metadata.read())["properties"]["release"] == "trixie"
    assert head.name == "metadata.yaml"
    assert [each.name for each in members if each.isreg()] == [f"rootfs/{name}" for name in NAMES]
    assert [each.linkname for each in members if each.islnk()] == [f"rootfs/{name}" for name in NAMES]


def test_with_templates_the_metadata_names_each_and_its_file_is_there():
    made = io.BytesIO()
    unified(root(), made, TEMPLATES)
    made.seek(0)
    with tarfile.open(fileobj=made) as archive:
        metadata = archive.extractfile("metadata.yaml")
        assert metadata is not None
        wanted = yaml.safe_load(metadata.read())["templates"]
        names = set(archive.getnames())
    assert set(wanted) == {f"{SEED}/{name}" for name in ("meta-data", "user-data", "network-config")}
    assert all(each["when"] == ["create", "copy"] for each in wanted.values())
    assert {f"templates/{each['template']}" for each in wanted.values()} <= names
