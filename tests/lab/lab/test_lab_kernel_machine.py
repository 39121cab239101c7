"""A machine with a kernel of its own, beside the lab's others: its network, restarts, command line, memory, graphics.

One machine for all; the tests are in the order in which things happen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from components.core import memory
from lab import Lab, Service
from lab.kernel import KernelMachine, KernelOptions
from providers.kinds.lxd import gpu_files
from providers.kinds.lxd.gpu_functions import Function, to_reserve

pytestmark = pytest.mark.timeout(1800)

IMAGE = "docker.io/ollama/ollama:latest"
FILL_64_MIB = "dd if=/dev/zero of=/dev/shm/x bs=1M count=60"
GRAPHICS = ("0000:01:00.0", "0000:01:00.1")
DRIVERS = ("bochs-drm", "snd_hda_intel")
LIST_FUNCTIONS = """
link() { basename "$(readlink "$1")" 2>/dev/null; }
for each in /sys/bus/pci/devices/*; do
    boot=$(cat "$each/boot_vga" 2>/dev/null || echo 0)
    echo "${each##*/}|$(cat "$each/class")|$(link "$each/iommu_group")|$(link "$each/driver")|$boot"
done
"""


@pytest.fixture(scope="module")
def own(lab: Lab, registry: Service) -> Iterator[KernelMachine]:
    made = lab.machine("own", image="machine-docker", kernel=KernelOptions(graphics=True), fresh=True)
    assert isinstance(made, KernelMachine)
    yield made
    lab.remove("own")


def limited(own: KernelMachine, limit: str) -> str:
    """Fill 60 MiB in a container of so much memory: `0`, or what the shell makes of being killed."""
    options = f"--rm --memory {limit} --memory-swap {limit} --shm-size 100m --entrypoint sh"
    return own.run(f"docker run {options} {IMAGE} -c '{FILL_64_MIB}'; echo $?").stdout.split()[-1]


def test_it_has_a_kernel_of_its_own_and_boots_without_failures(own: KernelMachine) -> None:
    release = own.run("uname -r").stdout.strip()
    assert release != os.uname().release
    assert own.run(f"dpkg --status linux-image-{release} >/dev/null && systemd-detect-virt").stdout.strip() == "qemu"
    assert own.run("systemctl list-units --failed --no-legend --plain").stdout == ""
    assert own.run("stat --file-system --format %T /sys/fs/cgroup").stdout.strip() == "cgroup2fs"


def test_ssh_reaches_it_by_its_name_and_its_address_is_the_machines_own(own: KernelMachine) -> None:
    assert own.ssh("id -un; sudo -n id -un").stdout.split() == ["admin", "root"]
    assert own.address in own.run("ip -4 -o addr show dev eth0").stdout


def test_it_and_the_others_of_the_lab_reach_each_other_by_name(own: KernelMachine, registry: Service) -> None:
    assert own.run("getent hosts registry").stdout.split()[0] == registry.address
    assert registry.run("getent hosts own").stdout.split()[0] == own.address
    own.run(f"docker pull --quiet {IMAGE}")


def test_run_hands_on_input_output_errors_and_status_and_goes_on_with_the_network_cut(own: KernelMachine) -> None:
    with own.network_cut():
        answer = own.run("cat; echo no >&2; exit 7", stdin=b"yes", check=False)
        assert (answer.stdout, answer.stderr, answer.returncode) == ("yes", "no\n", 7)
        assert own.run("id -un; echo $HOME", user="backstage440").stdout.split() == [
            "backstage440",
            "/home/backstage440",
        ]
    assert own.ssh("true").ok


def functions(own: KernelMachine) -> dict[str, Function]:
    """Return every function of a PCI device, by its address."""
    found: dict[str, Function] = {}
    for line in own.run(LIST_FUNCTIONS).stdout.splitlines():
        address, device_class, group, driver, boot = line.split("|")
        found[address] = Function(address, device_class, group, driver, "firmware" if boot == "1" else "")
    return found


def test_a_graphics_card_and_its_audio_function_are_one_iommu_group_with_drivers_of_their_own(
    own: KernelMachine,
) -> None:
    found = functions(own)
    card, audio = (found[each] for each in GRAPHICS)
    assert [each.address for each in found.values() if each.group == card.group] == list(GRAPHICS)
    assert [each.device_class[:6] for each in (card, audio)] == ["0x0380", "0x0403"]
    assert [each.driver for each in (card, audio)] == list(DRIVERS)
    assert to_reserve(GRAPHICS[:1], list(found.values())) == list(GRAPHICS)


def test_the_kernel_keeps_containers_within_their_memory_and_the_core_stack_is_let_through(own: KernelMachine) -> None:
    assert own.run(memory.CHECK, check=False).ok
    assert limited(own, "256m") == "0"
    assert limited(own, "32m") == "137"


def test_a_restart_is_a_boot_of_the_same_machine_with_the_command_line_given_since(own: KernelMachine) -> None:
    before = own.boot_id(), own.machine_id(), own.host_key()
    own.write("/root/kept", "kept")
    own.set_command_line("intel_iommu=on cgroup_disable=memory")
    own.write("/etc/modprobe.d/hearth-vfio.conf", gpu_files.modprobe_conf((*gpu_files.DRIVERS, "bochs")))
    own.set_early_script(gpu_files.initramfs_hook(GRAPHICS))
    own.reboot()
    assert own.boot_id() != before[0]
    assert (own.machine_id(), own.host_key()) == before[1:]
    assert own.read("/root/kept") == "kept"
    assert "cgroup_disable=memory" in own.read("/proc/cmdline").split()
    assert own.ssh("true").ok


def test_with_memory_control_off_limits_do_nothing_and_the_core_stack_says_so(own: KernelMachine) -> None:
    assert limited(own, "32m") == "0"
    assert not own.run(memory.CHECK, check=False).ok
    refusal = own.run(memory.REFUSAL, check=False)
    assert not refusal.ok
    assert "limits would be ignored" in refusal.stderr


def test_the_files_that_keep_a_card_for_virtual_machines_keep_all_of_it_from_the_boot_on(own: KernelMachine) -> None:
    found = functions(own)
    assert [found[each].driver for each in GRAPHICS] == ["vfio-pci", "vfio-pci"]
    assert "vfio-pci" not in [each.driver for each in found.values() if each.address not in GRAPHICS]
    # Its group is one device of vfio's, as QEMU would open it.
    assert own.exists(f"/dev/vfio/{found[GRAPHICS[0]].group}")


def test_a_card_that_is_given_back_has_its_drivers_again(own: KernelMachine) -> None:
    for each in GRAPHICS:
        own.run(
            f"cd /sys/bus/pci/devices/{each} && echo > driver_override && echo {each} > driver/unbind"
            f" && echo {each} > /sys/bus/pci/drivers_probe"
        )
    found = functions(own)
    assert [found[each].driver for each in GRAPHICS] == list(DRIVERS)
