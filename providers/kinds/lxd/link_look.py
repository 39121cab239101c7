"""Looks at a machine's network without changing it; one text, on the machine's own Python.

Reads `{"nic": ..., "name": ...}` on stdin. Writes one JSON object: the link, the bridge, every file of the network's
configuration with its content (base64), and what of the three renderers is there.
"""

import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys

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


def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def link(name):
    done = subprocess.run(["ip", "-j", "addr", "show", "dev", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout or b"[]") if done.returncode == 0 else []
    routes = []
    for family in ("-4", "-6"):
        done = subprocess.run(
            ["ip", family, "route", "show", "dev", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for line in done.stdout.decode().splitlines():
            if "proto kernel" not in line and "proto ra" not in line:
                routes.append([family, line.replace(" linkdown", "").split()])
    sysctls = {}
    folder = "/proc/sys/net/ipv6/conf/%s" % name
    for key in ("accept_ra", "autoconf", "addr_gen_mode", "disable_ipv6", "forwarding"):
        if os.path.exists("%s/%s" % (folder, key)):
            sysctls["%s/%s" % (folder, key)] = text("%s/%s" % (folder, key))
    master = "/sys/class/net/%s/master" % name
    return {
        "exists": os.path.exists("/sys/class/net/%s" % name),
        "bridge": os.path.isdir("/sys/class/net/%s/bridge" % name),
        "mac": text("/sys/class/net/%s/address" % name),
        "index": text("/sys/class/net/%s/ifindex" % name),
        "master": os.path.basename(os.path.realpath(master)) if os.path.exists(master) else "",
        "addresses": [each for entry in found for each in entry.get("addr_info", [])],
        "routes": routes,
        "sysctls": sysctls,
    }


def entry(path):
    stat = os.stat(path)
    with open(path, "rb") as file:
        content = base64.b64encode(file.read()).decode()
    return {"content": content, "mode": oct(stat.st_mode & 0o7777), "uid": stat.st_uid, "gid": stat.st_gid}


def client_id(index):
    """Return what networkd calls itself at the DHCP server (RFC 4361): type 255, four bytes, the machine's own."""
    found = re.search(r"(?m)^CLIENTID=([0-9a-f]+)$", text("/run/systemd/netif/leases/%s" % index))
    return found.group(1) if found else ""


def active(unit):
    return subprocess.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0


def main():
    work = json.load(sys.stdin)
    nic = link(work["nic"])
    files = {}
    for pattern in FILES:
        for path in glob.glob(pattern):
            if os.path.isfile(path):
                files[path] = entry(path)
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
        },
        sys.stdout,
    )


main()
