"""Looks at a machine's network without changing it; one text, on the machine's own Python.

Reads `{"nic": ..., "name": ..., "notes": ...}` on stdin. Writes one JSON object: the link, the bridge, every file of
the network's configuration with its content (base64), what of the three renderers is there, and what was noted of the
files before the machine's first bridge (bridge_notes.py).
"""

import glob
import json
import os
import re
import shutil
import sys

from providers.kinds.lxd.link_state import (
    look_at,
    read,
    run,
)

FILES = (
    "/etc/netplan/*.yaml",
    "/etc/systemd/network/*.network",
    "/etc/systemd/network/*.netdev",
    "/etc/systemd/network/*.link",
    "/etc/systemd/network/*.d/*.conf",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/*",
    "/etc/cloud/cloud.cfg.d/99-hearth-network.cfg",
)
OWN = (
    "/etc/netplan/99-hearth-%s.yaml",
    "/etc/systemd/network/10-hearth-%s.netdev",
    "/etc/network/interfaces.d/hearth-%s",
)


def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def master_of(name):
    master = "/sys/class/net/%s/master" % name
    return os.path.basename(os.path.realpath(master)) if os.path.exists(master) else ""


def noted(path):
    """Return the notes; `held` are the bridges that are there: a try that was cut short may have left a note of one."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    found["held"] = [
        name
        for name, each in found["bridges"].items()
        if master_of(each["nic"]) == name or any(os.path.exists(own % name) for own in OWN)
    ]
    return found


def link(name):
    return {
        "exists": os.path.exists("/sys/class/net/%s" % name),
        "bridge": os.path.isdir("/sys/class/net/%s/bridge" % name),
        "mac": text("/sys/class/net/%s/address" % name),
        "index": text("/sys/class/net/%s/ifindex" % name),
        "master": master_of(name),
        **look_at(name),
    }


def client_id(index):
    """Return what networkd calls itself at the DHCP server (RFC 4361): type 255, four bytes, the machine's own."""
    found = re.search(r"(?m)^CLIENTID=([0-9a-f]+)$", text("/run/systemd/netif/leases/%s" % index))
    return found.group(1) if found else ""


def active(unit):
    return run(["systemctl", "is-active", "--quiet", unit])[0] == 0


def main():
    work = json.load(sys.stdin)
    nic = link(work["nic"])
    files = {}
    for pattern in FILES:
        for path in glob.glob(pattern):
            if os.path.isfile(path):
                files[path] = read(path)
    json.dump(
        {
            "nic": nic,
            "there": link(work["name"]),
            "files": files,
            "netplan": bool(shutil.which("netplan")) and any(path.startswith("/etc/netplan/") for path in files),
            "networkd": active("systemd-networkd.service"),
            "ifupdown": bool(shutil.which("ifup")) and "/etc/network/interfaces" in files,
            "manager": active("NetworkManager.service"),
            "cloud_init": os.path.isdir("/etc/cloud/cloud.cfg.d"),
            "client_id": client_id(nic["index"]),
            "noted": noted(work["notes"]),
        },
        sys.stdout,
    )


main()
