"""A machine that begins its kernel by itself: with GRUB, its own list of kernels and its own initramfs.

The lab's other machines of that kind are begun by QEMU, with the lab's initramfs. Here QEMU begins GRUB, which reads
the machine's own /boot/grub/grub.cfg. What stands in is GRUB's first part: it is handed to QEMU as a kernel
(lnxboot.img), where a real machine's firmware reads it from the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.docker import cli
from lab.kernel.options import OWN, as_tar

if TYPE_CHECKING:
    from lab.kernel import KernelMachine

IMAGE = "grub.lnx"
INSTALL_SECONDS = 900
# Modules of GRUB that its first part needs to reach its list on an unparted disk, and what Debian's list itself uses.
MODULES = "biosdisk ext2 configfile linux normal search search_fs_uuid gzio test echo all_video loadenv"
_NETWORK = """[Unit]
Description=Address of this machine in the Hearth lab
DefaultDependencies=no
Before=network-pre.target ssh.service
Wants=network-pre.target
After=systemd-udevd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/hearth-lab/network

[Install]
WantedBy=multi-user.target
"""
_PREPARE = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q > /dev/null
apt-get install -y -q --no-install-recommends grub-pc > /dev/null
systemctl disable -q grub-common.service
# GRUB's list has the kernel mount it for reading alone; what makes it writable on any machine is this line.
grep -q ' / ' /etc/fstab || echo '/dev/vda / ext4 defaults 0 0' >> /etc/fstab
# The lab keeps its machines from making an initramfs; it is to hold as little as reaches the disk.
echo update_initramfs=yes > /etc/initramfs-tools/update-initramfs.conf
sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' /etc/initramfs-tools/initramfs.conf
printf '%s\\n' virtio_pci virtio_blk virtio_net ext4 >> /etc/initramfs-tools/modules
line="console=ttyS0 net.ifnames=0 no_timer_check $1"
sed -i "s/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX=\\"$line\\"/; s/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=0/" /etc/default/grub
address=$(ip -4 -o addr show dev eth0 scope global | awk '{{print $4}}')
gateway=$(ip -4 route show default | awk '{{print $3}}')
cat > /usr/local/lib/hearth-lab/network <<END
#!/bin/sh
[ -z "\\$(ip -4 -o addr show dev eth0 scope global)" ] || exit 0
until [ -e /sys/class/net/eth0 ]; do sleep 0.2; done
ip link set lo up
ip link set eth0 up
ip addr add $address dev eth0
ip route add default via $gateway
END
chmod 0755 /usr/local/lib/hearth-lab/network
cat > /etc/systemd/system/hearth-lab-network.service <<'UNIT'
{_NETWORK}UNIT
systemctl enable -q hearth-lab-network.service
update-grub 2> /dev/null
printf '%s\\n' 'set root=(hd0)' 'set prefix=(hd0)/boot/grub' 'configfile (hd0)/boot/grub/grub.cfg' > /tmp/early.cfg
grub-mkimage -O i386-pc -o /tmp/core.img -c /tmp/early.cfg -p '(hd0)/boot/grub' {MODULES}
cat /usr/lib/grub/i386-pc/lnxboot.img /tmp/core.img > /srv/{IMAGE}
rm /tmp/early.cfg /tmp/core.img
"""


def install(machine: KernelMachine, options: str = "") -> None:
    """Have the machine begin its kernel by itself from its next boot on, with `options` on the kernel's line."""
    machine.run(f"set -- '{options}'{_PREPARE}", timeout=INSTALL_SECONDS)
    inside = cli.docker("exec", machine.container, "cat", f"{OWN}/options").stdout
    encoded = machine.run(f"base64 -w0 /srv/{IMAGE}; rm /srv/{IMAGE}").stdout
    cli.docker("exec", "-i", machine.container, "sh", "-c", f"base64 -d > {OWN}/{IMAGE}", stdin=encoded)
    # The last one of an option counts for QEMU.
    cli.docker("cp", "-", f"{machine.container}:{OWN}", stdin=as_tar({"options": f"{inside}-kernel\n{OWN}/{IMAGE}\n"}))
