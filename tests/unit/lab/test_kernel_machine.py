"""Machines with a kernel of their own: what they are made from, and what they never get."""

from __future__ import annotations

import io
import itertools
import tarfile

from lab.docker import recipes
from lab.docker.containers import free_address
from lab.kernel import KernelOptions, container_options
from lab.kernel.disk import disk_tag
from lab.kernel.options import VIRTUALISING, as_tar


def test_an_image_with_a_kernel_is_the_image_itself_and_a_layer_of_one_recipe() -> None:
    for name in ("machine", "machine-podman", "machine-docker"):
        made = recipes.recipe(f"{name}-kernel")
        assert (made.parent, made.release, made.folder.name) == (name, "trixie", "kernel")


def test_another_emulator_or_another_content_is_another_disk() -> None:
    tags = {disk_tag(emulator, content, "machine") for emulator in ("a:1", "a:2") for content in ("b:1", "b:2")}
    assert len(tags) == 4
    assert all(tag.startswith("hearth-lab/machine-disk:") for tag in tags)


def test_the_container_never_gets_the_virtualisation_of_this_machine() -> None:
    words = container_options(KernelOptions(graphics=True), "10.213.0.4")
    devices = [value for option, value in itertools.pairwise(words) if option == "--device"]
    assert devices == ["/dev/net/tun"]
    assert "--privileged" not in words


def test_the_hardware_is_handed_on() -> None:
    words = container_options(KernelOptions(memory=4096, processors=1, processor="qemu64"), "10.213.0.4")
    assert {"HEARTH_MEMORY=4096", "HEARTH_PROCESSORS=1", "HEARTH_CPU=qemu64", "HEARTH_NAMES=10.213.0.4"} <= set(words)


def test_the_processor_virtualises_where_that_is_asked_for_alone() -> None:
    assert "HEARTH_CPU=max,la57=off,svm=off" in container_options(KernelOptions(), "10.213.0.4")
    assert "HEARTH_CPU=max,la57=off" in container_options(KernelOptions(processor=VIRTUALISING), "10.213.0.4")


def test_a_graphics_card_comes_with_its_audio_function_behind_a_port_of_their_own_and_the_iommu_on() -> None:
    files = KernelOptions(graphics=True, command_line="quiet").files()
    assert files["command-line"] == "intel_iommu=on quiet\n"
    words = files["options"].splitlines()
    assert words[1] == "intel-iommu"
    assert [word.partition(",")[0] for word in words if "bus=graphics" in word] == ["bochs-display", "intel-hda"]


def test_without_wishes_there_is_no_further_hardware_and_no_word_for_the_kernel() -> None:
    assert KernelOptions().files() == {"options": "", "command-line": "\n"}


def test_files_for_a_machine_lie_in_folders_that_others_may_enter() -> None:
    with tarfile.open(fileobj=io.BytesIO(as_tar({"etc/ssh/key": "text", "options": ""}))) as archive:
        modes = {member.name: (member.isdir(), member.mode) for member in archive}
    assert modes == {
        "etc": (True, 0o755),
        "etc/ssh": (True, 0o755),
        "etc/ssh/key": (False, 0o644),
        "options": (False, 0o644),
    }


def test_who_tells_the_names_has_the_same_address_in_every_lab() -> None:
    network = {"IPAM": {"Config": [{"Subnet": "10.213.7.0/24"}]}}
    assert free_address(network, "unused", "names") == "10.213.7.4"
