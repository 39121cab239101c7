"""Makes the lab's network and containers: the Docker options that turn a container into a machine."""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lab import names
from lab.docker import cli
from lab.errors import EngineError, LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

# By their numbers in capabilities(7). A container can't be given what this machine's own processes may not have.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
NETWORK_TRIES = 5
REMOVE_TRIES = 6
REMOVE_PAUSE = 5  # seconds
REMOVE_SECONDS = 600  # gigabytes of a lab, on a disk that others use
LOOP_MAJOR = 7
"""Number of the kernel's driver of loop devices. Source: Linux, Documentation/admin-guide/devices.txt."""
# On a real disk, and not on the container's own layers: rootless podman and Docker get their native overlay.
VOLUMES = {"lib": "/var/lib", "home": "/home"}


def missing_capabilities(status: str) -> list[str]:
    """Return the capabilities outside the bounding set, from the text of /proc/self/status."""
    match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if match is None:
        return []
    bounding = int(match.group(1), 16)
    return [name for number, name in enumerate(CAPABILITIES.split()) if not bounding >> number & 1]


def machine_options(container: str) -> list[str]:
    """Return the options of `docker create` for a machine, after systemd's container interface."""
    dropped = missing_capabilities(Path("/proc/self/status").read_text())
    options = ["--cap-add", "ALL", *(word for name in dropped for word in ("--cap-drop", name))]
    for option in ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"):
        options += ["--security-opt", option]
    for device in ("/dev/fuse", "/dev/net/tun", "/dev/autofs"):
        if Path(device).exists():
            options += ["--device", device]
    options += ["--tmpfs", "/run:exec,mode=755", "--tmpfs", "/tmp:exec,mode=1777"]
    options += ["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--cgroupns", "host", "--env", "container=docker"]
    for role, path in VOLUMES.items():
        options += ["--volume", f"{container}-{role}:{path}"]
    # So that `reboot` on the machine does what it says.
    return [*options, "--stop-signal", "SIGRTMIN+3", "--restart", "always"]


def disk_options() -> list[str]:
    """Return the further options of a machine that may have loop devices of this machine's kernel as its disks."""
    return ["--device", "/dev/loop-control", "--device-cgroup-rule", f"b {LOOP_MAJOR}:* rmw"]


def taken_subnets() -> list[str]:
    """Return the networks that this machine has routes to or that Docker has given out."""
    taken: list[str] = []
    ids = cli.docker("network", "ls", "--quiet").stdout.split()
    if ids:
        # Another lab may take its network away just now: Docker shows the others, and ends with an error.
        found = cli.docker("network", "inspect", *ids, check=False).stdout
        for network in json.loads(found or "[]"):
            entries: list[dict[str, str]] = network["IPAM"].get("Config") or []
            taken += [entry["Subnet"] for entry in entries if entry.get("Subnet")]
    return taken + routes(Path("/proc/net/route").read_text())


def routes(table: str) -> list[str]:
    """Return the destinations in the text of /proc/net/route, the default route left out."""
    found: list[str] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[index]), "little") for index in (1, 7))
        if mask:
            found.append(f"{ipaddress.IPv4Address(destination)}/{mask.bit_count()}")
    return found


def ensure_network(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return the lab's network, made on a free subnet if it was missing."""
    error: EngineError | None = None
    for attempt in range(NETWORK_TRIES):
        found = cli.inspect("network", name)
        if found is not None:
            return found
        subnet = names.choose_subnet(taken_subnets(), f"{name}-{attempt}" if attempt else name)
        words = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        try:
            cli.docker("network", "create", "--driver", "bridge", "--subnet", str(subnet), *words, name)
        except EngineError as failure:
            # Another lab may have taken the subnet between looking and asking.
            error = failure
    raise LabError(f"Docker gave the lab no network in {NETWORK_TRIES} tries. The last answer:\n{error}")


def free_address(network: dict[str, Any], prefix: str, name: str) -> str:
    """Return the address for a machine or service: fixed for services, the lowest free one for machines."""
    subnet = ipaddress.IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
    fixed = {
        "registry": names.REGISTRY_HOST_NUMBER,
        "windows": names.WINDOWS_HOST_NUMBER,
        "names": names.NAMES_HOST_NUMBER,
    }
    if name in fixed:
        return str(subnet[fixed[name]])
    taken: set[str] = set()
    # All containers of the lab, running or not: a machine that is off keeps its address.
    listed = cli.docker("ps", "--all", "--quiet", "--filter", f"network={prefix}").stdout.split()
    if listed:
        for container in json.loads(cli.docker("container", "inspect", *listed).stdout):
            ends: dict[str, Any] = container["NetworkSettings"]["Networks"].get(prefix) or {}
            taken |= {
                cast(dict[str, str], ends.get("IPAMConfig") or {}).get("IPv4Address", ""),
                ends.get("IPAddress", ""),
            }
    return names.choose_address(subnet, taken)


def remove(listed: Sequence[str], volumes: Sequence[str] = (), network: str = "") -> None:
    """Remove containers with their own volumes, then volumes and a network; what is gone already is no error.

    On a busy computer Docker gives up in the middle: it waits ten seconds for the end of a container that it has
    killed, and the container ends later. So it is asked again.
    """
    said = ""
    for _ in range(REMOVE_TRIES):
        left = [name for name in listed if cli.inspect("container", name) is not None]
        if not left:
            break
        answer = cli.docker("rm", "--force", "--volumes", *left, timeout=REMOVE_SECONDS, check=False)
        if not answer.ok:
            said = answer.stderr.strip()
            time.sleep(REMOVE_PAUSE)
    else:
        raise EngineError(f"Docker did not remove {', '.join(listed)} in {REMOVE_TRIES} tries. Its last answer: {said}")
    if volumes:
        cli.docker("volume", "rm", "--force", *volumes, timeout=REMOVE_SECONDS)
    if network:
        cli.docker("network", "rm", network, timeout=REMOVE_SECONDS)


def create_container(
    container: str, name: str, tag: str, network: str, address: str, labels: dict[str, str], options: list[str]
) -> None:
    """Create a container on the lab's network, under its own name there, not started yet."""
    words = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    for option, value in itertools.pairwise(options):
        if option == "--volume" and value.startswith(f"{container}-"):
            cli.docker("volume", "create", *words, value.partition(":")[0])
    place = ["--network", network, "--ip", address, "--network-alias", name, "--hostname", name]
    cli.docker("create", "--name", container, *place, *words, *options, tag)
