"""Whether the machine's kernel counts containers' memory, without which their limits would be ignored."""

from __future__ import annotations

CHECK = """\
[ "$(docker info --format '{{.MemoryLimit}}')" = true ]
"""
REFUSAL = """\
command -v docker >/dev/null || {
    echo "Docker is not installed, and the containers need it: install docker.io (or docker-ce)" >&2
    exit 1
}
docker info >/dev/null 2>&1 || { echo "Docker does not answer: systemctl start docker" >&2; exit 1; }
for file in /boot/firmware/cmdline.txt /boot/cmdline.txt; do [ -e "$file" ] && break; done
echo "The kernel has no memory control groups, so the containers' memory limits would be ignored." >&2
echo "Add this to the one line of $file (elsewhere: to GRUB_CMDLINE_LINUX), then restart the machine:" >&2
echo "cgroup_enable=memory cgroup_memory=1" >&2
exit 1
"""
"""A stock Raspberry Pi OS is so, and nothing mends it but a boot: what is run where the check fails only says it."""
