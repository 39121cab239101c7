"""What the lab's folder says of its machines: hosts.json, and the ssh files that follow from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab import ssh_files

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what hosts.json says: name -> address, port, user, image, kind and host key."""
    path = folder / "hosts.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(folder: Path, name: str, entry: dict[str, Any] | None) -> None:
    """Write down a machine or service (or with None, that there is none any more); the caller holds a lock."""
    hosts = read(folder)
    hosts.pop(name, None)
    if entry is not None:
        hosts[name] = entry
    machines = [
        ssh_files.SshHost(key, value["address"], value["port"], value["user"], value["host-key"])
        for key, value in hosts.items()
        if value["kind"] == "machine"
    ]
    ssh_files.write_private(folder / "hosts.json", json.dumps(hosts, indent=2, sort_keys=True) + "\n")
    ssh_files.write_private(folder / "known_hosts", ssh_files.render_known_hosts(machines))
    ssh_files.write_private(folder / "ssh_config", ssh_files.render_ssh_config(machines, folder))
