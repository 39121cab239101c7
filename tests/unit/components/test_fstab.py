"""A line of /etc/fstab, read back by libmount itself (findmnt) and, where it is there, by systemd's own generator."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.blocks.fstab import CifsMount, cifs_block, cifs_line, field, option, unit_of
from toolchain.lines import mount_fields

GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")
MOUNT = CifsMount("windows", "share", "/mnt/share", "/etc/samba/cred", 990, 985)
NASTY = " \t\n\\#'\"%$=:;&|<>ü€😀.a-_@!"
texts = st.text(
    st.one_of(st.sampled_from(NASTY), st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1
)
names = st.text(st.sampled_from("abcXYZ09 '#._-$%&!@~()^{}üé€"), min_size=1, max_size=20).filter(
    lambda name: name == name.strip()
)
parts = names.filter(lambda name: name not in (".", ".."))


def listed(text: str, folder: Path) -> list[dict[str, str]]:
    """Return the lines of a file as libmount reads them."""
    table = folder / "fstab"
    table.write_text(text)
    command = ["findmnt", "--fstab", "--tab-file", str(table), "--json", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["filesystems"]


@given(texts)
def test_a_field_is_one_field_and_says_the_value(value: str):
    value = value.lstrip("#") or "a"
    written = field(value)
    assert re.split(r"[ \t\n]", written) == [written]
    assert not written.startswith("#")
    assert mount_fields(written) == [value]


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_what_no_field_can_carry_is_refused(value: str):
    with pytest.raises(ValueError, match="must hold something"):
        field(value)


@pytest.mark.parametrize("value", ["/a,uid=0", '/a"b', "/a\0", "/etc/x,file_mode=0777,rw"])
def test_an_option_that_would_be_more_than_one_is_refused(value: str):
    with pytest.raises(ValueError, match="must hold no comma"):
        option("credentials", value)


@settings(max_examples=60, deadline=None)
@given(share=names, mount=st.lists(parts, min_size=2, max_size=3), file=parts)
def test_libmount_reads_the_share_the_mount_point_and_the_options(
    tmp_path_factory: pytest.TempPathFactory, share: str, mount: list[str], file: str
):
    if shutil.which("findmnt") is None:
        pytest.skip("findmnt is not installed here")
    made = replace(MOUNT, share=share, mount_point=f"/{'/'.join(mount)}", credentials_file=f"/etc/samba/{file}")
    others = "LABEL=root / ext4 defaults 0 1\n"
    found = listed(f"{others}{cifs_block(made)}", tmp_path_factory.mktemp("fstab"))
    assert [line["target"] for line in found] == ["/", made.mount_point]
    assert found[1]["source"] == f"//windows/{share}"
    assert found[1]["options"].split(",")[0] == f"credentials=/etc/samba/{file}"
    assert found[1]["options"].split(",")[1:3] == ["uid=990", "gid=985"]
    assert len(found[1]["options"].split(",")) == 11


@settings(max_examples=15, deadline=None)
@given(mount=st.lists(parts, min_size=2, max_size=3))
def test_systemds_generator_makes_the_unit_whose_name_we_tell(
    tmp_path_factory: pytest.TempPathFactory, mount: list[str]
):
    if not GENERATOR.exists():
        pytest.skip("systemd's generator is not installed here")
    folder = tmp_path_factory.mktemp("generated")
    made = replace(MOUNT, mount_point=f"/{'/'.join(mount)}", share="a b's #1")
    (folder / "fstab").write_text(f"{cifs_line(made)}\n")
    for name in ("n", "e", "l"):
        (folder / name).mkdir()
    environment = {**os.environ, "SYSTEMD_FSTAB": str(folder / "fstab"), "SYSTEMD_SYSROOT_FSTAB": "/dev/null"}
    subprocess.run(
        [GENERATOR, *(folder / name for name in ("n", "e", "l"))], env=environment, capture_output=True, check=True
    )
    assert (folder / "n" / unit_of(made.mount_point, "automount")).is_file()
    text = (folder / "n" / unit_of(made.mount_point, "mount")).read_text()
    assert "What=//windows/a b's #1\n" in text.replace("%%", "%").replace('"', "")
