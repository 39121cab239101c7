"""Graphics cards that are kept for virtual machines: which functions go along, and the texts that keep them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.kinds.lxd import gpu_files
from providers.kinds.lxd.gpu_functions import Function, NotReservable, of_cards, to_reserve, waiting
from tests.needs import needs

CARD_NAMES = ("0000:01:00.0", "0000:01:00.1")


def function(address: str, group: str, device_class: str = "0x030000", **rest: Any) -> Function:
    return Function(address, device_class, group, **rest)


CARD = [
    function("0000:01:00.0", "2"),
    function("0000:01:00.1", "2", "0x040300"),
    function("0000:00:01.0", "2", "0x060400"),
]
EQUAL = [function("0000:02:00.0", "3"), function("0000:02:00.1", "3", "0x040300")]
DISK = function("0000:03:00.0", "2", "0x010802", parts=("nvme0n1",))
NIC = function("0000:04:00.0", "2", "0x020000", parts=("enp4s0",))


# --- which functions -----------------------------------------------------------------------------------------------


def test_a_card_goes_with_its_audio_function_and_its_group_but_not_with_the_bridge_above_nor_an_equal_card():
    assert to_reserve(["0000:01:00.0"], CARD + EQUAL) == list(CARD_NAMES)


@pytest.mark.parametrize("device_class", ["0x040300", "0x120000", "0x050000", "0x0c0500"])
def test_another_device_of_the_group_that_the_machine_does_not_need_goes_along(device_class: str):
    other = function("0000:03:00.0", "2", device_class)
    assert "0000:03:00.0" in to_reserve(["0000:01:00.0"], [*CARD, other])


def test_two_cards_in_one_group_are_kept_where_both_are_named():
    both = [*CARD, function("0000:02:00.0", "2")]
    assert to_reserve(["0000:01:00.0", "0000:02:00.0"], both) == [*CARD_NAMES, "0000:02:00.0"]
    with pytest.raises(NotReservable, match=r"0000:02:00\.0, another display"):
        to_reserve(["0000:01:00.0"], both)


def test_a_usb_port_of_the_cards_own_goes_along():
    own = function("0000:01:00.2", "2", "0x0c0330")
    assert to_reserve(["0000:01:00.0"], [*CARD, own])[-1] == "0000:01:00.2"


@pytest.mark.parametrize(
    ("cards", "functions", "said"),
    [
        (["0000:09:00.0"], CARD, "no PCI device 0000:09:00.0"),
        (["0000:01:00.0"], [function("0000:01:00.0", "")], "no IOMMU group"),
        (["0000:01:00.0"], [function("0000:01:00.0", "2", console="fb0")], r"console \(fb0\), which would go dark"),
        (["0000:01:00.0"], [*CARD, DISK], r"0000:03:00.0 \(nvme0n1\), storage"),
        (["0000:01:00.0"], [*CARD, NIC], r"0000:04:00.0 \(enp4s0\), a network card"),
        (["0000:01:00.0"], [*CARD, DISK, NIC], r"nvme0n1.* and .*enp4s0"),
        (["0000:01:00.0"], [*CARD, function("0000:05:00.0", "2", "0x0c0330")], "0000:05:00.0, USB"),
        (["0000:01:00.0"], [CARD[0], function("0000:01:00.1", "2", "0x020000")], "0000:01:00.1, a network card"),
        (["0000:03:00.0"], [DISK], "is no graphics card"),
        (["0000:01:00.1"], CARD, "is no graphics card"),
        (["0000:00:01.0"], CARD, "is no graphics card"),
    ],
)
def test_a_card_that_can_not_be_kept_is_refused(cards: list[str], functions: list[Function], said: str):
    with pytest.raises(NotReservable, match=said) as caught:
        to_reserve(cards, functions)
    rule, _, remedy = str(caught.value).partition("; ")
    assert rule
    assert remedy, "says what to do"


def test_the_consoles_card_is_kept_where_that_was_allowed():
    assert to_reserve(["0000:01:00.0"], [function("0000:01:00.0", "2", console="fb0")], console=True)


def test_before_the_iommu_is_on_a_card_is_kept_with_its_own_functions():
    off = [function(each.address, "", each.device_class) for each in CARD]
    assert to_reserve(["0000:01:00.0"], off, off=True) == list(CARD_NAMES)
    assert "IOMMU" in waiting(["0000:01:00.0"], off, list(CARD_NAMES))


@pytest.mark.parametrize(
    ("drivers", "said"),
    [
        (("vfio-pci", "vfio-pci"), ""),
        (("nouveau", "vfio-pci"), "0000:01:00.0 has nouveau until then"),
        (("", "snd_hda_intel"), "0000:01:00.0 has no driver until then; 0000:01:00.1 has snd_hda_intel until then"),
    ],
)
def test_what_a_restart_is_waited_for_is_told(drivers: tuple[str, str], said: str):
    own = [function(address, "2", driver=driver) for address, driver in zip(CARD_NAMES, drivers, strict=True)]
    assert waiting(["0000:01:00.0"], own, list(CARD_NAMES)) == said


def test_of_two_cards_each_ones_functions_come_together():
    assert of_cards(["0000:02:00.0", "0000:01:00.0"], CARD + EQUAL) == ["0000:02:00.0", "0000:02:00.1", *CARD_NAMES]


# --- texts ---------------------------------------------------------------------------------------------------------

pci = st.builds("{:04x}:{:02x}:{:02x}.{}".format, *(st.integers(0, most) for most in (65535, 255, 31, 7)))


@given(st.lists(pci, max_size=6, unique=True))
def test_the_script_is_one_that_a_shell_reads_and_tells_its_addresses_again(addresses: list[str]):
    text = gpu_files.initramfs_hook(addresses)
    assert gpu_files.addresses_in(text) == addresses
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_script_takes_addresses_only_and_never_ids():
    assert "vfio-pci.ids" not in gpu_files.initramfs_hook(CARD_NAMES)
    with pytest.raises(ValueError, match="no PCI address"):
        gpu_files.initramfs_hook(["0000:01:00.0; reboot"])


def test_the_script_gives_away_what_has_no_driver_and_leaves_what_has_one(tmp_path: Path):
    for address, driven in zip(CARD_NAMES, (False, True), strict=True):
        folder = tmp_path / "devices" / address
        folder.mkdir(parents=True)
        (folder / "driver_override").write_text("(null)\n")
        if driven:
            (folder / "driver").mkdir()
    text = gpu_files.initramfs_hook([*CARD_NAMES, "0000:09:00.0"]).replace("/sys/bus/pci", str(tmp_path))
    tools = tmp_path / "modprobe"
    tools.write_text(f"#!/bin/sh\necho $* > {tmp_path}/loaded\nexit 1\n")
    tools.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(["sh", "-eu"], input=text, text=True, env=environment, check=False).returncode == 0
    told = [(tmp_path / "devices" / each / "driver_override").read_text().strip() for each in CARD_NAMES]
    assert told == ["vfio-pci", "(null)"]
    assert (tmp_path / "loaded").read_text() == "-q vfio-pci\n"


def test_initramfs_tools_is_told_that_the_script_needs_no_other(tmp_path: Path):
    script = tmp_path / "hearth-vfio"
    script.write_text(gpu_files.initramfs_hook(CARD_NAMES))
    done = subprocess.run(["sh", str(script), "prereqs"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@needs("modprobe", "kmod")
def test_modprobe_reads_the_order_of_the_drivers(tmp_path: Path):
    (tmp_path / "hearth-vfio.conf").write_text(gpu_files.modprobe_conf())
    done = subprocess.run(
        ["modprobe", "-C", str(tmp_path), "-c"], capture_output=True, text=True, check=False, timeout=60
    )
    told = {line for line in done.stdout.splitlines() if line.startswith("softdep ")}
    assert {f"softdep {driver} pre: vfio-pci" for driver in gpu_files.DRIVERS} <= told


def test_the_list_of_modules_to_load_is_one_name_and_comments():
    # modules-load.d(5): a name to a line, empty lines and those that begin with # or ; are none.
    assert [each for each in gpu_files.modules_load().splitlines() if each and each[0] not in "#;"] == ["vfio-pci"]


@pytest.mark.parametrize(
    ("tables", "options"),
    [
        (["DMAR"], ["intel_iommu=on", "iommu=pt"]),
        (["IVRS"], ["amd_iommu=on", "iommu=pt"]),
        ([], []),
        (["HPET", "DMAR"], ["intel_iommu=on", "iommu=pt"]),
    ],
)
def test_the_kernels_options_follow_from_what_the_firmware_tells(tables: list[str], options: list[str]):
    assert gpu_files.kernel_options(tables) == options


def test_grubs_file_is_read_by_a_shell_and_only_adds():
    text = gpu_files.grub_file(gpu_files.kernel_options(["IVRS"]))
    script = f'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n{text}printf %s "$GRUB_CMDLINE_LINUX_DEFAULT"'
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == "quiet amd_iommu=on iommu=pt"
    with pytest.raises(ValueError, match="no option"):
        gpu_files.grub_file(['x="$(reboot)"'])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quiet iommu=pt", ["quiet", "iommu=pt"]),
        ("", []),
        ('root=UUID=1 dyndbg="file a.c +p" ro', ["root=UUID=1", 'dyndbg="file a.c +p"', "ro"]),
    ],
)
def test_a_kernels_line_is_parted_as_the_kernel_does_it(line: str, words: list[str]):
    assert gpu_files.split_line(line) == words
